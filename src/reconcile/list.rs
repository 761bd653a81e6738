//! The lists that are compared.

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::{page::Page, plivo, remote::Failure, stripe, twilio, window::Window};
use crate::provider::Provider;

/// A list of a provider's API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum List {
    StripeEvents,
    TwilioCalls,
    TwilioMessages,
    PlivoCalls,
    PlivoMessages,
}

impl List {
    pub(super) const ALL: [Self; 5] =
        [Self::StripeEvents, Self::TwilioCalls, Self::TwilioMessages, Self::PlivoCalls, Self::PlivoMessages];

    pub(super) fn provider(self) -> Provider {
        match self {
            Self::StripeEvents => Provider::Stripe,
            Self::TwilioCalls | Self::TwilioMessages => Provider::Twilio,
            Self::PlivoCalls | Self::PlivoMessages => Provider::Plivo,
        }
    }

    /// As tables and reports spell it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::StripeEvents => "events",
            Self::TwilioCalls | Self::PlivoCalls => "calls",
            Self::TwilioMessages | Self::PlivoMessages => "messages",
        }
    }

    /// Least time from one request to the next, well within what the provider allows.
    ///
    /// Source: Plivo docs, "List all messages": 20 a minute. The others take far more than four a second.
    pub(super) fn pace(self) -> Duration {
        match self {
            Self::StripeEvents | Self::TwilioCalls | Self::TwilioMessages | Self::PlivoCalls => {
                Duration::from_millis(250)
            }
            Self::PlivoMessages => Duration::from_millis(3200),
        }
    }

    /// Path and query of the first page.
    pub(super) fn first(self, account: &str, window: Window) -> String {
        match self {
            Self::StripeEvents => stripe::page_after(window, None),
            Self::TwilioCalls => twilio::first(account, "Calls", "StartTime>", window),
            Self::TwilioMessages => twilio::first(account, "Messages", "DateSent>", window),
            Self::PlivoCalls => plivo::page(account, "Call", "end_time", window, 0),
            Self::PlivoMessages => plivo::page(account, "Message", "message_time", window, 0),
        }
    }

    /// Reads a page as of `now`.
    ///
    /// # Errors
    /// [`Failure::Unreadable`] when it is none of this list.
    pub(super) fn read(
        self,
        account: &str,
        window: Window,
        body: &Bytes,
        now: DateTime<Utc>,
    ) -> Result<Page, Failure> {
        match self {
            Self::StripeEvents => stripe::read(window, body, now),
            Self::TwilioCalls => twilio::calls(account, body, now),
            Self::TwilioMessages => twilio::messages(account, body, now),
            Self::PlivoCalls => plivo::calls(account, window, body, now),
            Self::PlivoMessages => plivo::messages(account, window, body, now),
        }
    }
}
