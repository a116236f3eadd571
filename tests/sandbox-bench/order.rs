//! Another order for each round, the same in each run of the benchmark.

/// Numbers that look random: xorshift64* (Vigna, «An experimental exploration
/// of Marsaglia's xorshift generators», 2016). Good enough to shuffle with.
pub(crate) struct Order(u64);

impl Order {
    pub(crate) const fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// The numbers below `count`, shuffled (Fisher and Yates).
    pub(crate) fn of(&mut self, count: usize) -> Vec<usize> {
        let mut numbers: Vec<usize> = (0..count).collect();
        for last in (1..count).rev() {
            let below = u64::try_from(last).unwrap_or(u64::MAX - 1) + 1;
            let other = usize::try_from(self.next() % below).unwrap_or(last);
            numbers.swap(last, other);
        }
        numbers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_order_holds_every_number_once_and_orders_differ() {
        let mut order = Order::new();
        let (first, second) = (order.of(10), order.of(10));
        assert_ne!(first, second);
        let mut sorted = first;
        sorted.sort_unstable();
        assert_eq!(sorted, (0..10).collect::<Vec<_>>());
    }
}
