//! How long a device takes.

use std::time::Instant;

use burn::tensor::Device;

use crate::waiting::wait_while;

/// What comes of `work`, and its seconds: on the device's clock where it has one, or what the
/// host needed to hand the work over where that is more.
///
/// # Panics
///
/// When the device cannot run it.
pub(super) fn timed<T: Send>(device: &Device, work: impl FnOnce() -> T + Send) -> (T, f64) {
    let mut output = None;
    let mut host = 0.0;
    let measured = device.profile(|| {
        let start = Instant::now();
        output = Some(work());
        host = start.elapsed().as_secs_f64();
    });
    let duration = match measured {
        Ok(((), duration)) => duration,
        Err(error) => panic!("the device cannot time what it runs: {error}"),
    };
    // A window in which the device did nothing has no time.
    let ticks = wait_while(duration.resolve(), || true).flatten();
    let device = ticks.map_or(0.0, |ticks| ticks.duration().as_secs_f64());
    let output = output.expect("what is profiled has run");
    (output, host.max(device))
}

/// The middle of `values`, 0 where there are none.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        len if len % 2 == 0 => (values[middle - 1] + values[middle]) / 2.0,
        _ => values[middle],
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_the_host_waits_for_counts() {
        let wait = Duration::from_millis(20);
        let (output, seconds) = timed(&Device::flex(), || {
            std::thread::sleep(wait);
            7
        });
        assert_eq!(output, 7);
        assert!(seconds >= wait.as_secs_f64(), "{seconds}");
    }

    #[test]
    fn the_middle_of_an_even_number_is_between_two() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(Vec::new()), 0.0);
    }
}
