/// Where the parts of a configuration along one axis are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Digit {
    pub(super) degree: usize,
    /// After how many devices the next part begins.
    pub(super) stride: usize,
    pub(super) number: usize,
}

/// The digits that divide a number of devices, numbered.
#[derive(Clone)]
pub(super) struct Digits {
    divisors: Vec<usize>,
    pub(super) num_devices: usize,
}

impl Digits {
    pub(super) fn new(num_devices: usize) -> Self {
        let divisors = (1..=num_devices).filter(|it| num_devices.is_multiple_of(*it));
        Self {
            divisors: divisors.collect(),
            num_devices,
        }
    }

    pub(super) fn digit(&self, degree: usize, stride: usize) -> Digit {
        let divisor = |it: usize| {
            let found = self.divisors.binary_search(&it);
            found.expect("the degrees of a legal configuration divide the devices")
        };
        Digit {
            degree,
            stride,
            number: divisor(degree) * self.divisors.len() + divisor(stride),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.divisors.len() * self.divisors.len()
    }
}
