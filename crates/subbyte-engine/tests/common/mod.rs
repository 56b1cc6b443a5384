//! What the engine's tests share.

/// How many random models a test takes: `usual`, or what `SUBBYTE_TEST_CASES` says where the processor is emulated.
pub fn number_of_cases(usual: u64) -> u64 {
    match std::env::var("SUBBYTE_TEST_CASES") {
        Ok(number) => number.parse().expect("SUBBYTE_TEST_CASES is a number"),
        Err(_) => usual,
    }
}
