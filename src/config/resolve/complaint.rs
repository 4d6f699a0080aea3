//! What is wrong with the text of an address or a rule. Its place is known to who asked.

/// What is wrong, and what to do.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Complaint {
    pub(super) message: String,
    pub(super) help: Option<String>,
}

pub(super) fn complain<T>(
    message: impl Into<String>,
    help: impl Into<String>,
) -> Result<T, Complaint> {
    Err(Complaint { message: message.into(), help: Some(help.into()) })
}
