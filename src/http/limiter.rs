//! A budget of refused requests per address. What is correctly signed never comes here.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use governor::{
    Quota, RateLimiter,
    clock::{Clock as GovernorClock, Reference as _},
    middleware::{NoOpMiddleware, StateInformationMiddleware},
    nanos::Nanos,
    state::{
        StateStore,
        keyed::{HashMapStateStore, ShrinkableKeyedStateStore},
    },
};

use crate::domain::clock::Clock;

/// Refusals that an address may have at once, and how many come back in a minute.
const BUDGET: NonZeroU32 = NonZeroU32::new(60).unwrap();

/// Times that an address may try to sign in at once, and in a minute.
const SIGN_INS: NonZeroU32 = NonZeroU32::new(5).unwrap();

/// Addresses that have a bucket of their own. Beyond them new ones share one, so a flood from everywhere costs no
/// memory.
const ADDRESSES: usize = 10_000;

/// Counts refusals per address.
pub(crate) struct FailureLimiter {
    limiter: RateLimiter<IpAddr, Buckets, Time, NoOpMiddleware<Duration>>,
    time: Time,
}

impl FailureLimiter {
    /// Full budgets for everyone.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self::of(BUDGET, clock)
    }

    /// The same for tries to sign in, which are few.
    pub(crate) fn of_sign_ins(clock: Arc<dyn Clock>) -> Self {
        Self::of(SIGN_INS, clock)
    }

    fn of(budget: NonZeroU32, clock: Arc<dyn Clock>) -> Self {
        let time = Time(clock);
        let limiter = RateLimiter::new(Quota::per_minute(budget), Buckets::default(), time.clone());
        Self { limiter, time }
    }

    /// Counts a refusal.
    ///
    /// # Errors
    /// Seconds until the next may come, when the budget is spent.
    pub(crate) fn count(&self, client: IpAddr) -> Result<(), u64> {
        self.limiter.check_key(&neighbourhood(client)).map_err(|until| {
            let wait: Duration = until.earliest_possible().duration_since(self.time.now()).into();
            wait.as_secs() + 1
        })
    }

    /// Forgets the addresses whose budget is full again.
    pub(crate) fn sweep(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
    }
}

/// What a key may ask in a second, and at once.
pub(super) const KEY_RATE: NonZeroU32 = NonZeroU32::new(50).unwrap();
pub(super) const KEY_BURST: NonZeroU32 = NonZeroU32::new(100).unwrap();

/// What is left of a key's budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    /// Requests that it may send at once.
    pub(crate) requests: u32,
    /// Seconds until it has its whole budget again.
    pub(crate) full_in: u32,
}

impl Left {
    /// A budget that is spent.
    pub(crate) const NOTHING: Self = Self { requests: 0, full_in: KEY_BURST.get().div_ceil(KEY_RATE.get()) };
}

/// Counts what good keys ask. There are as many buckets as keys.
pub(crate) struct KeyLimiter {
    limiter: RateLimiter<String, HashMapStateStore<String>, Time, StateInformationMiddleware>,
    time: Time,
}

impl KeyLimiter {
    /// Full budgets for all.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let time = Time(clock);
        let quota = Quota::per_second(KEY_RATE).allow_burst(KEY_BURST);
        Self { limiter: RateLimiter::new(quota, HashMapStateStore::default(), time.clone()), time }
    }

    /// Counts a request of a key.
    ///
    /// # Errors
    /// Seconds until the next may come, when its budget is spent.
    pub(crate) fn count(&self, key: &str) -> Result<Left, u64> {
        let counted = self.limiter.check_key(&key.to_owned());
        let left = counted.map_err(|until| {
            let wait: Duration = until.earliest_possible().duration_since(self.time.now()).into();
            wait.as_secs() + 1
        })?;
        let requests = left.remaining_burst_capacity();
        let full_in = KEY_BURST.get().saturating_sub(requests).div_ceil(KEY_RATE.get());
        Ok(Left { requests, full_in })
    }

    /// Forgets the keys whose budget is full again.
    pub(crate) fn sweep(&self) {
        self.limiter.retain_recent();
    }
}

/// Whom a budget is for: an IPv4 address, or the /64 that one IPv6 subscriber has whole.
fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
    }
}

/// The house's clock, as the limiter reads it.
#[derive(Clone)]
struct Time(Arc<dyn Clock>);

impl GovernorClock for Time {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.now().signed_duration_since(chrono::DateTime::UNIX_EPOCH).to_std().unwrap_or_default()
    }
}

/// A bounded table of buckets.
#[derive(Default)]
struct Buckets(Mutex<Table>);

#[derive(Default)]
struct Table {
    own: HashMap<IpAddr, Nanos>,
    shared: Option<Nanos>,
}

impl StateStore for Buckets {
    type Key = IpAddr;

    fn measure_and_replace<T, F, E>(&self, address: &IpAddr, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = table.own.get(address).copied();
        if before.is_none() && table.own.len() >= ADDRESSES {
            let (outcome, after) = measure(table.shared)?;
            table.shared = Some(after);
            return Ok(outcome);
        }
        let (outcome, after) = measure(before)?;
        table.own.insert(*address, after);
        Ok(outcome)
    }
}

impl ShrinkableKeyedStateStore<IpAddr> for Buckets {
    fn retain_recent(&self, drop_below: Nanos) {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.own.retain(|_, bucket| *bucket >= drop_below);
        table.own.shrink_to_fit();
    }

    fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).own.len()
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use chrono::{DateTime, Utc};

    use super::*;

    struct SetClock(AtomicI64);

    impl Clock for SetClock {
        fn now(&self) -> DateTime<Utc> {
            DateTime::from_timestamp(self.0.load(Ordering::Relaxed), 0).unwrap()
        }
    }

    fn limiter() -> (Arc<SetClock>, FailureLimiter) {
        let clock = Arc::new(SetClock(AtomicI64::new(1_760_000_000)));
        (Arc::clone(&clock), FailureLimiter::new(clock))
    }

    #[test]
    fn a_budget_is_spent_and_comes_back() {
        let (clock, limiter) = limiter();
        let one = "192.0.2.1".parse().unwrap();
        for _ in 0..60 {
            assert_eq!(limiter.count(one), Ok(()));
        }
        assert_eq!(limiter.count(one), Err(2), "a token comes back every second");
        assert_eq!(limiter.count("192.0.2.2".parse().unwrap()), Ok(()), "a neighbour is not blamed");
        clock.0.fetch_add(5, Ordering::Relaxed);
        assert_eq!(limiter.count(one), Ok(()));
        clock.0.fetch_add(120, Ordering::Relaxed);
        limiter.sweep();
        assert!(limiter.limiter.is_empty(), "full budgets are forgotten");
    }

    #[test]
    fn a_subscriber_of_ipv6_has_one_budget() {
        let (_, limiter) = limiter();
        for host in 0..60 {
            assert_eq!(limiter.count(format!("2001:db8::{host:x}").parse().unwrap()), Ok(()));
        }
        assert!(limiter.count("2001:db8::ffff".parse().unwrap()).is_err());
        assert!(limiter.count("2001:db8:0:1::1".parse().unwrap()).is_ok());
    }

    #[test]
    fn the_table_is_bounded_and_strangers_share() {
        let (_, limiter) = limiter();
        let address = |n: u32| IpAddr::from(n.to_be_bytes());
        for n in 0..u32::try_from(ADDRESSES).unwrap() {
            assert_eq!(limiter.count(address(n)), Ok(()));
        }
        for n in 0..60 {
            assert_eq!(limiter.count(address(20_000 + n)), Ok(()));
        }
        assert!(limiter.count(address(30_000)).is_err(), "newcomers share one bucket");
        assert_eq!(limiter.count(address(1)), Ok(()), "those with their own keep it");
        assert_eq!(limiter.limiter.len(), ADDRESSES);
    }
}
