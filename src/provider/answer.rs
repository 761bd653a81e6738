//! The finished answer to a webhook, as it is kept beside the event and given again to a duplicate.

use std::borrow::Cow;

use bytes::Bytes;

/// An HTTP answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// HTTP status, 200 to 599.
    pub(crate) status: u16,
    /// Content type, empty where there is no body.
    pub(crate) content_type: Cow<'static, str>,
    /// The body.
    pub(crate) body: Bytes,
}

impl Answer {
    /// Call control: `text/xml`, which both providers take.
    pub(crate) fn xml(document: impl Into<Bytes>) -> Self {
        Self { status: 200, content_type: "text/xml; charset=utf-8".into(), body: document.into() }
    }

    /// A small JSON body.
    pub(crate) fn json(document: impl Into<Bytes>) -> Self {
        Self { status: 200, content_type: "application/json".into(), body: document.into() }
    }
}
