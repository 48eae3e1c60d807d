//! A layer that is measured beside others.

use std::sync::{Mutex, OnceLock};
use std::thread::ThreadId;
use std::time::Duration;

use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use burn_pipeline::{Lift, Profiler, lift};

type Row = Lift<Linear, Tensor<2>, Tensor<2>>;

/// How often each thread has been through a layer, in the order in which they came to it.
static THROUGH: Mutex<Vec<(ThreadId, usize)>> = Mutex::new(Vec::new());
/// Whether each neighbour had been through it when the thread came that is measured.
static WAITED: OnceLock<bool> = OnceLock::new();

fn slow_for_the_second(linear: &Linear, input: Tensor<2>) -> Tensor<2> {
    let id = std::thread::current().id();
    let place = {
        let mut through = THROUGH.lock().unwrap();
        let place = through.iter().position(|(it, _)| *it == id);
        place.unwrap_or_else(|| {
            through.push((id, 0));
            if through.len() == 3 {
                let _ = WAITED.set(through[..2].iter().all(|(_, times)| *times > 0));
            }
            through.len() - 1
        })
    };
    if place == 1 {
        std::thread::sleep(Duration::from_millis(100));
    }
    let output = linear.forward(input);
    THROUGH.lock().unwrap()[place].1 += 1;
    output
}

/// A fast neighbour that had run several times was taken for all of them.
#[test]
fn a_layer_is_timed_when_every_neighbour_is_at_work() {
    let device = Device::flex().autodiff();
    let row: Row = lift(
        LinearConfig::new(4, 4).init(&device),
        slow_for_the_second as fn(&Linear, Tensor<2>) -> Tensor<2>,
    );
    Profiler::new()
        .with_repetitions(1)
        .with_neighbours(2)
        .profile(&row, Tensor::<2>::ones([4, 4], &device), &device)
        .unwrap();
    assert_eq!(WAITED.get(), Some(&true));
}
