//! Questions: keys and words, silence and another try.

use super::{Edge, route, walk::Walk};
use crate::{
    domain::verb::{self, Purpose, Verb},
    lines::document::Ask,
};

impl<'a> Walk<'a> {
    /// Asks; `attempt` is how often it was asked before.
    pub(super) fn ask(&mut self, name: &str, ask: &Ask, attempt: u8) {
        let prompt = self.speech(ask.text.as_deref(), ask.play.as_deref());
        let question = verb::Ask {
            prompt: prompt.into_iter().collect(),
            digits: Some(ask.digits),
            speech: ask.speech.then(|| hints(ask)),
            seconds: ask.wait,
            language: self.facts.line.language,
            next: self.link(Purpose::Continue, name, Edge::Answered, attempt),
        };
        self.turn.verbs.push(Verb::Ask(question));
        let silence = self.link(Purpose::Continue, name, Edge::Silent, attempt);
        self.wait(Verb::Redirect(silence));
    }

    pub(super) fn answered(&mut self, name: &'a str, ask: &'a Ask, answer: &str, keys: bool) {
        let empty = if keys { answer.is_empty() } else { route::normal(answer).is_empty() };
        if empty {
            return self.unanswered(name, ask);
        }
        let choice = if keys {
            ask.choose.get(answer)
        } else {
            // The longest word that was said, so that `new booking` goes before `booking`.
            let said = ask.choose.iter().filter(|(word, _)| route::contains(answer, word));
            said.max_by_key(|(word, _)| word.len()).map(|(_, to)| to)
        };
        self.capture(ask.variable.as_deref(), answer);
        match choice.or(ask.next.as_ref()) {
            Some(next) => self.go(Some(next)),
            None => self.again(name, ask),
        }
    }

    pub(super) fn unanswered(&mut self, name: &'a str, ask: &'a Ask) {
        self.again(name, ask);
    }

    fn again(&mut self, name: &'a str, ask: &'a Ask) {
        let attempt = self.at.attempt.saturating_add(1);
        if u16::from(attempt) < ask.tries {
            self.turn.path.push(name.to_owned());
            self.ask(name, ask, attempt);
        } else {
            self.go(ask.none.as_deref());
        }
    }
}

/// Words that are likely: those that were given, and those that may be chosen.
fn hints(ask: &Ask) -> Vec<String> {
    let words = ask.choose.keys().filter(|word| word.len() > 1 || word.chars().all(char::is_alphabetic));
    let mut hints = ask.hints.clone();
    hints.extend(words.filter(|word| !ask.hints.contains(word)).cloned());
    hints.retain(|hint| !hint.contains(',') && !hint.trim().is_empty());
    hints
}
