//! What the model keeps for a backward pass, counted. Alone in its process, for nothing else to
//! allocate meanwhile.

use burn::tensor::{Device, Distribution, Int, Tensor};
use burn_pipeline::Sequential;
use peak_alloc::PeakAlloc;
use train_gpt::GptConfig;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const NUM_SAMPLES: usize = 4;

/// The bytes that the layers keep of a forward pass until the backward pass.
fn measured(config: &GptConfig) -> f64 {
    let device = Device::flex().autodiff();
    let model = config.init(&device);
    let forward = || {
        let shape = [NUM_SAMPLES, config.context];
        let bytes = Tensor::<2, Int>::random(shape, Distribution::Uniform(0.0, 255.0), &device);
        let before = ALLOCATOR.current_usage();
        let loss = train_gpt::cross_entropy(model.forward_layers(bytes.clone()), bytes);
        let kept = ALLOCATOR.current_usage() - before;
        loss.backward();
        kept as f64
    };
    forward();
    forward()
}

#[test]
fn what_is_kept_is_about_what_is_estimated() {
    for (num_blocks, width, num_heads, context) in [
        (0, 64, 4, 64),
        (1, 64, 4, 64),
        (4, 64, 4, 64),
        (4, 128, 4, 64),
        (4, 128, 4, 128),
        (4, 128, 8, 128),
        (2, 256, 8, 64),
    ] {
        let config = GptConfig::new(num_blocks, width, num_heads, context);
        let estimated = config.kept_bytes(0..num_blocks + 2, NUM_SAMPLES) as f64;
        let ratio = measured(&config) / estimated;
        assert!((0.9..1.1).contains(&ratio), "{config}: {ratio}");
    }
}
