//! Why a text is not a signature.

use std::ops::Range;

/// A text that is not a signature, or one that no SYN can ever match.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SignatureError {
    /// The fault, in bytes of the text and on character boundaries. Empty where something is missing.
    pub span: Range<usize>,
    /// What is wrong, in one line.
    pub message: String,
    /// What to type instead, where that can be told.
    pub help: Option<String>,
}

impl SignatureError {
    pub(crate) fn new(
        span: Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> SignatureError {
        SignatureError { span, message: message.into(), help: Some(help.into()) }
    }
}
