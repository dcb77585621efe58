//! Why something failed, as far down as it is known.

use std::error::Error;

/// What an error says, and what the errors below it say: some libraries, reqwest for one, say at the top only
/// that something failed.
pub(crate) fn reason(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}
