//! The largest number that passes a costly test, which all smaller ones pass as well.

/// The largest number of which `fits` says so, 0 if it is of none. `fits` is asked first about
/// `guess`, then ever further from it until an answer differs, then halfway between.
///
/// # Errors
///
/// The first one of `fits`.
///
/// # Complexity
///
/// Twice the logarithm of how far the guess is from the answer, in calls.
pub fn largest<E>(
    guess: usize,
    mut fits: impl FnMut(usize) -> Result<bool, E>,
) -> Result<usize, E> {
    let (mut passed, mut failed) = (0, None);
    let mut next = guess.max(1);
    let mut stride = guess.div_ceil(16).max(1);
    loop {
        match fits(next)? {
            true => passed = next,
            false => failed = Some(next),
        }
        next = match (passed, failed) {
            (_, Some(failed)) if failed - passed == 1 => return Ok(passed),
            (0, Some(failed)) => failed.saturating_sub(stride).max(1),
            (_, Some(failed)) => passed.midpoint(failed),
            (_, None) => passed + stride,
        };
        stride *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_found_from_any_guess() {
        for answer in 0..200 {
            for guess in 0..200 {
                let mut calls = 0;
                let found = largest(guess, |number| {
                    calls += 1;
                    Ok::<_, ()>(number <= answer)
                });
                assert_eq!(found, Ok(answer), "guess {guess}");
                assert!(calls <= 16, "{calls} calls for {answer} from {guess}");
            }
        }
    }

    #[test]
    fn the_first_error_ends_the_search() {
        assert_eq!(largest(3, |_| Err("gone")), Err("gone"));
    }
}
