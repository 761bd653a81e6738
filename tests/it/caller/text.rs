//! A contact who writes to the line, and what is written back.

use std::collections::BTreeMap;

use smartline::fuzzing;

use super::{Carrier, document, number, walk::ways_back};
use crate::house::{House, ORIGIN};

/// Somebody who writes.
#[derive(Clone, Debug)]
pub(crate) struct Texter {
    from: String,
    /// The line's number at each carrier.
    to: BTreeMap<Carrier, String>,
}

impl Texter {
    pub(crate) fn new() -> Self {
        let to = Carrier::ALL.map(|carrier| (carrier, number(carrier).to_owned()));
        Self { from: "+14155550100".to_owned(), to: BTreeMap::from(to) }
    }

    /// Writes from this number.
    pub(crate) fn from(self, number: &str) -> Self {
        Self { from: number.to_owned(), ..self }
    }

    /// Writes to another line.
    pub(crate) fn to(mut self, carrier: Carrier, number: &str) -> Self {
        self.to.insert(carrier, number.to_owned());
        self
    }

    /// Sends a text, the carrier twice, and tells what comes back with the answer; what is told of its delivery is taken,
    /// too.
    pub(crate) async fn sends(&self, house: &House, carrier: Carrier, body: &str) -> Vec<String> {
        let mut connection = house.connect().await;
        let id = carrier.id("SM");
        let to = &self.to[&carrier];
        let ask = carrier.signed(carrier.texts(), &carrier.texted(&id, &self.from, to, body));
        let reply = connection.ask(&ask).await;
        let again = connection.ask(&ask).await;
        assert_eq!(reply.text(), again.text(), "asked again: {body}");
        reply.xml();
        if let Err(fault) = fuzzing::text_document(carrier.name(), reply.text()) {
            panic!("{} would not take it: {fault}\n{}", carrier.name(), reply.text());
        }
        ways_back(reply.text());
        let texts = document::texts(carrier, reply.text());
        for text in &texts {
            let ends = (to.clone(), self.from.clone());
            assert!(text.ends.as_ref().is_none_or(|given| *given == ends), "{text:?}");
            let url = text.delivery.as_ref().expect("its delivery is told of");
            let target = url.strip_prefix(ORIGIN).unwrap();
            assert!(target.starts_with(carrier.deliveries()), "{target}");
            let own = carrier.id("SM");
            for status in ["delivered", "sent"] {
                let told = carrier.delivered(&own, to, &self.from, status);
                let reply = connection.ask(&carrier.signed(target, &told)).await;
                assert_eq!(reply.verbs(), Vec::<String>::new(), "{reply:?}");
            }
        }
        texts.into_iter().map(|text| text.body).collect()
    }

    /// Sends it on both carriers, which must say the same.
    pub(crate) async fn sends_both(&self, house: &House, body: &str) -> Vec<String> {
        let [twilio, plivo] = Carrier::ALL;
        let twilio = self.sends(house, twilio, body).await;
        assert_eq!(twilio, self.sends(house, plivo, body).await, "{body}");
        twilio
    }
}
