//! Tokens as text on one line, spaced as rustfmt spaces signatures.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use quote::ToTokens;

/// The text of anything that `syn` has parsed.
pub(super) fn text(node: &impl ToTokens) -> String {
    let mut printer = Printer::default();
    printer.stream(node.to_token_stream());
    printer.out
}

#[derive(Default)]
struct Printer {
    out: String,
    /// Whether the next token stands right behind the last one.
    glued: bool,
}

impl Printer {
    fn stream(&mut self, tokens: TokenStream) {
        let mut operator = String::new();
        for token in tokens {
            match token {
                TokenTree::Punct(punct) => {
                    operator.push(punct.as_char());
                    let goes_on = punct.spacing() == Spacing::Joint && punct.as_char() != '\'';
                    // `>>` closes two lists of generics; it is never a shift in a signature.
                    if !goes_on || ["<", ">", "&"].contains(&operator.as_str()) {
                        self.operator(&std::mem::take(&mut operator));
                    }
                }
                TokenTree::Group(group) => {
                    let (open, close) = match group.delimiter() {
                        Delimiter::Parenthesis => ("(", ")"),
                        Delimiter::Bracket => ("[", "]"),
                        Delimiter::Brace => ("{ ", " }"),
                        Delimiter::None => ("", ""),
                    };
                    if !self.glued && (open == "{ " || !self.called()) {
                        self.space();
                    }
                    self.out.push_str(open);
                    self.glued = true;
                    self.stream(group.stream());
                    let trimmed = self.out.trim_end_matches(',').len();
                    if close == ")" && !self.out.ends_with("(,") && !one_element(&self.out) {
                        self.out.truncate(trimmed);
                    }
                    self.out.push_str(close);
                    self.glued = false;
                }
                other => {
                    if !self.glued {
                        self.space();
                    }
                    self.out.push_str(&other.to_string());
                    self.glued = false;
                }
            }
        }
        if !operator.is_empty() {
            self.operator(&operator);
        }
    }

    fn operator(&mut self, operator: &str) {
        let sticks_before =
            [",", ";", ":", "::", ".", "?", ">", "<", "!", "..", "..="].contains(&operator);
        if !sticks_before && !self.glued {
            self.space();
        }
        // A path from the top, and `?Sized`, stand behind a space all the same.
        let after = |ends: &[&str]| ends.iter().any(|end| self.out.ends_with(end));
        if (["::", "?"].contains(&operator) && after(&[",", "+", "=", ":"]))
            || (operator == "!" && after(&["->"]))
        {
            self.space();
        }
        self.out.push_str(operator);
        self.glued = [
            "&", "<", "::", "'", "!", "*", ".", "..", "..=", "#", "?", "$",
        ]
        .contains(&operator);
    }

    /// Whether a bracket that follows belongs to the last token: arguments, an index.
    fn called(&self) -> bool {
        let word = self
            .out
            .rsplit(|c: char| !c.is_alphanumeric() && c != '_')
            .next();
        let keyword =
            word.is_some_and(|word| ["in", "mut", "as", "dyn", "const", "where"].contains(&word));
        let lifetime = word.is_some_and(|word| self.out.ends_with(&format!("'{word}")));
        let sticks = |c: char| c.is_alphanumeric() || ">_!#".contains(c);
        self.out.ends_with(sticks)
            && !self.out.ends_with("->")
            && !self.out.ends_with("=>")
            && !keyword
            && !lifetime
    }

    fn space(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with(' ') {
            self.out.push(' ');
        }
    }
}

/// True when the text ends in a tuple type of one element, whose comma counts.
fn one_element(text: &str) -> bool {
    let Some(open) = text.rfind('(') else {
        return false;
    };
    let before = text[..open].chars().next_back();
    let is_tuple = !before.is_some_and(|c| c.is_alphanumeric() || "_>".contains(c));
    is_tuple && text[open..].matches(',').count() == 1 && text.ends_with(',')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(source: &str) {
        let tokens: TokenStream = source.parse().expect("tokens");
        assert_eq!(text(&tokens), source);
    }

    #[test]
    fn signatures_are_spaced_as_in_the_source() {
        check(
            "pub async fn read(&self, at: u64, mut out: &'a mut [u8; 4]) -> Result<Vec<(Ino, i64)>, E>",
        );
        check("fn f<'a, T: Send + 'static>(x: impl Fn(&T) -> Option<&'a str>) where T: ?Sized");
        check("type Out = Box<dyn Future<Output = ()> + Send>");
        check("pub const A: &[(&str, u8)]");
        check("for<'a> fn(&'a [u8], *const u8) -> !");
        check("crate::engine::Key<Vec<Vec<u8>>>");
        check("fn pair(&self, both: &mut [u8]) -> (u64, u64)");
    }
}
