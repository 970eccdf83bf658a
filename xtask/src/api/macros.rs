//! Items that a macro of the crate makes. Nothing is expanded: the list shows the macro and its invocation.

use super::print;
use super::source::Crate;
use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use syn::{Item, ItemMacro};

/// Keywords before the name of an item.
const KEYWORDS: [&str; 8] = [
    "struct", "enum", "union", "trait", "type", "const", "static", "fn",
];

impl Crate {
    /// True when `item` invokes a macro of this crate whose definition declares `name`.
    pub(super) fn macro_makes(&self, item: &Item, name: &str) -> bool {
        let definition = invoked(item).and_then(|called| self.definition(&called));
        definition.is_some_and(|definition| declares(definition.mac.tokens.clone(), name))
    }

    fn definition(&self, name: &str) -> Option<&ItemMacro> {
        let macros = self
            .modules
            .values()
            .flatten()
            .filter_map(|item| match item {
                Item::Macro(found) => Some(found),
                _ => None,
            });
        macros
            .into_iter()
            .find(|m| m.ident.as_ref().is_some_and(|ident| ident == name))
    }

    /// Definition and invocations of every macro that may make public items.
    pub(super) fn macro_lines(&self) -> Vec<(String, String)> {
        let mut lines = Vec::new();
        for (module, items) in &self.modules {
            let place = [std::slice::from_ref(&self.name), module.as_slice()]
                .concat()
                .join("::");
            for item in items {
                let Some(name) = invoked(item) else { continue };
                let Some(definition) = self.definition(&name) else {
                    continue;
                };
                if makes_public(definition.mac.tokens.clone()) {
                    for part in [item, &Item::Macro(definition.clone())] {
                        let Item::Macro(part) = part else { continue };
                        let path = format!("{place}::{name}!");
                        let what = if part.ident.is_some() {
                            "macro"
                        } else {
                            "call"
                        };
                        lines.push((
                            path.clone(),
                            format!(
                                "{what} {path} {}",
                                print::text(&without_docs(part.mac.tokens.clone()))
                            ),
                        ));
                    }
                }
            }
        }
        lines
    }
}

/// The macro that `item` invokes.
fn invoked(item: &Item) -> Option<String> {
    match item {
        Item::Macro(item) if item.ident.is_none() => {
            Some(item.mac.path.segments.last()?.ident.to_string())
        }
        _ => None,
    }
}

fn declares(tokens: TokenStream, name: &str) -> bool {
    let mut keyword = false;
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => {
            let found = keyword && ident == name;
            keyword = KEYWORDS.iter().any(|word| ident == word);
            found
        }
        TokenTree::Group(group) => declares(group.stream(), name),
        _ => false,
    })
}

/// The tokens without `#[doc = ".."]`, which is how documentation arrives.
fn without_docs(tokens: TokenStream) -> TokenStream {
    let mut kept: Vec<TokenTree> = Vec::new();
    for token in tokens {
        let TokenTree::Group(group) = token else {
            kept.push(token);
            continue;
        };
        let after_hash =
            matches!(kept.last(), Some(TokenTree::Punct(punct)) if punct.as_char() == '#');
        if after_hash && group.stream().to_string().starts_with("doc =") {
            kept.pop();
        } else {
            kept.push(Group::new(group.delimiter(), without_docs(group.stream())).into());
        }
    }
    kept.into_iter().collect()
}

fn makes_public(tokens: TokenStream) -> bool {
    let mut visible = false;
    for token in tokens {
        let restricted = matches!(&token, TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis);
        if visible && !restricted {
            return true;
        }
        visible = matches!(&token, TokenTree::Ident(ident) if ident == "pub");
        if let TokenTree::Group(group) = token
            && makes_public(group.stream())
        {
            return true;
        }
    }
    false
}
