//! A device is proven before it is trusted.

use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::tensor::{Device, Int, Tensor, TensorData};

use super::DeviceError;
use super::driver::{driver, known_to_crash};
use super::label::label;
use crate::error::message_of;

/// Rows, inner size and columns of the products.
const PRODUCTS: [(usize, usize, usize); 3] = [(3, 5, 2), (33, 70, 65), (128, 64, 96)];
const NUM_TERMS: usize = 1 << 14;

/// Compute on `device` what is known, and compare: products of matrices and a sum of whole
/// numbers, exactly. Some drivers compute wrong without an error, and a model trained on one is
/// lost without a word. It takes some milliseconds, and on a GPU the compilation of two kernels.
///
/// # Errors
///
/// When a number is wrong or the device cannot compute at all: names the driver and its version.
pub fn probe_device(device: &Device) -> Result<(), DeviceError> {
    let device = device.clone().without_autodiff();
    let asked = catch_unwind(AssertUnwindSafe(|| driver(&device)));
    let wrong = |driver: &str, reason: String| DeviceError::Wrong {
        name: label(&device),
        driver: driver.to_string(),
        reason,
    };
    let driver = match asked {
        Ok(driver) => driver,
        Err(panic) => return Err(wrong("unknown", message_of(panic.as_ref()))),
    };
    if let Some(reason) = known_to_crash(&driver, cfg!(feature = "vulkan")) {
        return Err(wrong(&driver, reason.to_string()));
    }
    match catch_unwind(AssertUnwindSafe(|| compute(&device))) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(reason)) => Err(wrong(&driver, reason)),
        Err(panic) => Err(wrong(&driver, message_of(panic.as_ref()))),
    }
}

fn compute(device: &Device) -> Result<(), String> {
    for (rows, inner, columns) in PRODUCTS {
        let left = |row: usize, at: usize| ((row * 7 + at * 3) % 11) as i64 - 5;
        let right = |at: usize, column: usize| ((at * 5 + column) % 7) as i64 - 3;
        let product: Vec<f32> =
            read(matrix(rows, inner, left, device).matmul(matrix(inner, columns, right, device)))?;
        for (index, value) in product.into_iter().enumerate() {
            let (row, column) = (index / columns, index % columns);
            let terms = (0..inner).map(|at| left(row, at) * right(at, column));
            expect(
                value,
                terms.sum(),
                &format!(
                    "the product of a [{rows}, {inner}] and a [{inner}, {columns}] matrix is, at [{row}, {column}],"
                ),
            )?;
        }
    }
    let numbers = Tensor::<1, Int>::arange(0..NUM_TERMS as i64, device).float();
    // Whole numbers of single precision, and sums of them in any order, are exact up to 2^24.
    let sum: Vec<f32> = read(numbers.remainder_scalar(64.0).sum())?;
    let expected = (0..NUM_TERMS as i64).map(|number| number % 64).sum();
    expect(
        sum[0],
        expected,
        &format!("the sum of {NUM_TERMS} whole numbers is"),
    )
}

fn matrix(
    rows: usize,
    columns: usize,
    value: impl Fn(usize, usize) -> i64,
    device: &Device,
) -> Tensor<2> {
    let values = (0..rows * columns).map(|index| value(index / columns, index % columns) as f32);
    Tensor::from_data(
        TensorData::new(values.collect::<Vec<_>>(), [rows, columns]),
        device,
    )
}

fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, String> {
    let data = tensor.try_into_data().map_err(|error| error.to_string())?;
    data.convert::<f32>()
        .try_to_vec()
        .map_err(|error| format!("{error:?}"))
}

fn expect(value: f32, expected: i64, what: &str) -> Result<(), String> {
    match value == expected as f32 {
        true => Ok(()),
        false => Err(format!("{what} {value}, where {expected} is right")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_computes_right_is_trusted() {
        probe_device(&Device::flex()).unwrap();
    }

    #[test]
    fn a_wrong_number_is_told_with_the_right_one() {
        let error = expect(7.0, 8, "the sum is").unwrap_err();
        assert_eq!(error, "the sum is 7, where 8 is right");
    }
}
