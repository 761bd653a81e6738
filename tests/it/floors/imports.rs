//! Reads which modules a source file names, from its tokens: comments, strings and layout cannot mislead it.

use std::collections::BTreeSet;
use std::iter::Peekable;
use std::vec::IntoIter;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A path from the crate's root, one segment an entry: `["http", "error"]`. Empty: the root itself.
pub(super) type ModulePath = Vec<String>;

type Tokens = Peekable<IntoIter<TokenTree>>;

/// What one source file says about the house around it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Imports {
    /// Every path written with `crate::` or `super::`, from the root on, down to the item it names.
    pub(super) paths: BTreeSet<ModulePath>,
    /// Modules declared as `#[cfg(test)] mod x;`: their files are tests, and no part of the house.
    pub(super) test_modules: BTreeSet<ModulePath>,
}

impl Imports {
    /// Reads `source`, the file of module `here`. Whatever stands under `#[cfg(test)]` is left out.
    ///
    /// # Errors
    /// `source` is not made of Rust tokens; the text says where.
    pub(super) fn read(source: &str, here: &[String]) -> Result<Self, String> {
        let tokens: TokenStream = source
            .parse()
            .map_err(|fault| format!("{}: cannot be read as Rust: {fault}", here.join("::")))?;
        let mut imports = Self::default();
        imports.walk(tokens, here);
        Ok(imports)
    }

    fn walk(&mut self, stream: TokenStream, here: &[String]) {
        let mut tokens = peekable(stream);
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Punct(mark) if mark.as_char() == '#' && next_is_cfg_test(&mut tokens) => {
                    self.skip_item(&mut tokens, here);
                }
                TokenTree::Ident(word) if word == "mod" => self.inline_module(&mut tokens, here),
                TokenTree::Ident(word) if word == "crate" && take_colons(&mut tokens) => {
                    self.tree(&mut tokens, Vec::new());
                }
                TokenTree::Ident(word) if word == "super" && take_colons(&mut tokens) => {
                    self.tree(&mut tokens, parent(here));
                }
                TokenTree::Group(group) => self.walk(group.stream(), here),
                _ => {}
            }
        }
    }

    /// After `mod`: descends into a body in braces, whose `super` is this module; leaves `mod x;` alone.
    fn inline_module(&mut self, tokens: &mut Tokens, here: &[String]) {
        let Some(TokenTree::Ident(name)) = tokens.next() else { return };
        if let Some(TokenTree::Group(body)) = tokens.next_if(is_braces) {
            self.walk(body.stream(), &child(here, &name.to_string()));
        }
    }

    /// After `#`: passes over `[cfg(test)]` and the item it stands on, which ends with braces or a semicolon.
    fn skip_item(&mut self, tokens: &mut Tokens, here: &[String]) {
        let mut words = Vec::new();
        for token in tokens.by_ref() {
            match token {
                TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => return,
                TokenTree::Punct(mark) if mark.as_char() == ';' => break,
                TokenTree::Ident(word) => words.push(word.to_string()),
                _ => {}
            }
        }
        if let [.., keyword, name] = words.as_slice()
            && keyword == "mod"
        {
            self.test_modules.insert(child(here, name));
        }
    }

    /// Follows the rest of a path behind `base::`, and every branch of a `{…}` group.
    fn tree(&mut self, tokens: &mut Tokens, mut base: ModulePath) {
        loop {
            match tokens.next_if(|token| matches!(token, TokenTree::Ident(_)) || is_braces(token)) {
                Some(TokenTree::Ident(word)) if word == "super" => base = parent(&base),
                Some(TokenTree::Ident(word)) if word == "self" => {}
                Some(TokenTree::Ident(word)) => base.push(word.to_string()),
                Some(TokenTree::Group(group)) => return self.branches(group.stream(), &base),
                _ => break,
            }
            if !take_colons(tokens) {
                break;
            }
        }
        self.paths.insert(base);
    }

    fn branches(&mut self, group: TokenStream, base: &[String]) {
        let mut tokens = peekable(group);
        while tokens.peek().is_some() {
            self.tree(&mut tokens, base.to_vec());
            // What is left of a branch is `*` or `as Name`.
            for token in tokens.by_ref() {
                if matches!(&token, TokenTree::Punct(mark) if mark.as_char() == ',') {
                    break;
                }
            }
        }
    }
}

fn peekable(stream: TokenStream) -> Tokens {
    stream.into_iter().collect::<Vec<_>>().into_iter().peekable()
}

fn parent(path: &[String]) -> ModulePath {
    path[..path.len().saturating_sub(1)].to_vec()
}

fn child(path: &[String], name: &str) -> ModulePath {
    [path, &[name.to_owned()]].concat()
}

fn is_braces(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
}

fn next_is_cfg_test(tokens: &mut Tokens) -> bool {
    matches!(tokens.peek(), Some(TokenTree::Group(group)) if group.stream().to_string().replace(' ', "") == "cfg(test)")
}

/// Takes `::` (two marks to the tokenizer) where it comes next, and says so.
fn take_colons(tokens: &mut Tokens) -> bool {
    let colon = |token: &TokenTree| matches!(token, TokenTree::Punct(mark) if mark.as_char() == ':');
    tokens.next_if(colon).is_some() && tokens.next_if(colon).is_some()
}

#[cfg(test)]
mod tests {
    use super::Imports;

    /// The paths that `source`, as module `http::webhooks`, names; each joined by `::`.
    fn paths(source: &str) -> Vec<String> {
        let here = ["http".to_owned(), "webhooks".to_owned()];
        Imports::read(source, &here).unwrap().paths.iter().map(|path| path.join("::")).collect()
    }

    #[test]
    fn every_way_to_name_a_module_is_read() {
        for (case, source, expected) in [
            ("plain", "use crate::inbox::append;", vec!["inbox::append"]),
            ("renamed", "use crate::inbox as i;", vec!["inbox"]),
            ("glob", "use crate::inbox::*;", vec!["inbox"]),
            (
                "group",
                "use crate::{db::{self, Pool}, inbox::*, config as c};",
                vec!["config", "db", "db::Pool", "inbox"],
            ),
            ("super", "use super::error::Error;", vec!["http::error::Error"]),
            ("super twice", "use super::super::worker::run;", vec!["worker::run"]),
            ("group of both", "use {crate::db, super::error};", vec!["db", "http::error"]),
            (
                "inline",
                "fn f() -> crate::domain::Id { crate::db::get::<u8>(1) }",
                vec!["db::get", "domain::Id"],
            ),
            ("in a macro call", "fn f() { info!(\"{}\", crate::telemetry::x()) }", vec!["telemetry::x"]),
            ("from a macro", "macro_rules! m { () => { $crate::domain::Id } }", vec!["domain::Id"]),
            (
                "struct literal",
                "fn f() { crate::domain::P { x: crate::db::y() } }",
                vec!["db::y", "domain::P"],
            ),
            ("inline module", "mod a { use super::super::error; }", vec!["http::error"]),
            ("visibility", "pub(crate) fn f() {} pub(super) struct S;", vec![]),
            ("comment, text", "// crate::app\n/* super::app */ const S: &str = \"crate::app\";", vec![]),
            ("doc comment", "/// See [`crate::app`].\nfn f() {}", vec![]),
        ] {
            assert_eq!(paths(source), expected, "{case}");
        }
    }

    #[test]
    fn test_code_is_left_out_and_only_that() {
        let source = "#[cfg(test)] use crate::a;
            #[cfg(test)] #[path = \"x.rs\"] mod tests { use crate::b; }
            #[cfg(unix)] use crate::c;
            #[cfg(test)] mod elsewhere;
            use crate::d;";
        assert_eq!(paths(source), ["c", "d"]);
        let imports = Imports::read(source, &["http".to_owned()]).unwrap();
        assert_eq!(imports.test_modules.into_iter().collect::<Vec<_>>(), [["http", "elsewhere"]]);
    }

    #[test]
    fn what_is_not_rust_is_said() {
        let fault = Imports::read("fn f( {", &["db".to_owned()]).unwrap_err();
        assert!(fault.starts_with("db: cannot be read as Rust"), "{fault}");
    }
}
