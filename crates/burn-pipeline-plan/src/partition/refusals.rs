//! Problems that cannot be solved, each told in a sentence.

use rstest::rstest;

use super::*;

fn names(num_layers: usize) -> Vec<String> {
    (0..num_layers).map(|it| format!("blocks.{it}")).collect()
}

fn devices(memory_bytes: &[u64]) -> Vec<StageDevice> {
    let device = |&it: &u64| StageDevice {
        speed: 1.0,
        memory_bytes: Some(it),
    };
    memory_bytes.iter().map(device).collect()
}

const MIB: u64 = 1 << 20;

#[rstest]
#[case::one_layer(
    vec![1, 1, 12, 1], vec![8, 8],
    "layer 2 (`blocks.2`) needs 12.0 MiB, but device 1 holds 8.00 MiB: write it as smaller \
     layers, or give it a larger device"
)]
#[case::several(
    vec![4, 4, 4, 4], vec![4, 9],
    "layers 1 to 3 (`blocks.1` to `blocks.3`) need 12.0 MiB, but device 1 holds 9.00 MiB: no \
     other cuts come closer; use more or larger devices, smaller micro-batches, or more \
     rematerialization"
)]
fn what_does_not_fit_is_named_with_the_limit(
    #[case] mebibytes: Vec<u64>,
    #[case] limits: Vec<u64>,
    #[case] message: &str,
) {
    let limits: Vec<u64> = limits.iter().map(|it| it * MIB).collect();
    let error = PartitionProblem::new(vec![1.0; mebibytes.len()], devices(&limits))
        .with_names(names(mebibytes.len()))
        .with_bytes(mebibytes.iter().map(|it| it * MIB).collect())
        .solve()
        .unwrap_err();
    assert_eq!(error.to_string(), message);
}

#[rstest]
#[case::parted(
    |it: PartitionProblem<'static>| it.together(1..4).cut_before(2),
    "layers 1..4 are pinned together, but a cut is pinned before layer 2, between them: give up \
     one of the two"
)]
#[case::too_many_cuts(
    |it: PartitionProblem<'static>| it.cut_before(1).cut_before(2),
    "the pinned cuts make 3 parts, but there are 2 stages: pin at most 1 cuts"
)]
#[case::one_piece(
    |it: PartitionProblem<'static>| it.together(0..5),
    "5 layers make 1 pieces that may be parted, too few for 2 stages: pin fewer layers together, \
     or ask for at most 1 stages"
)]
#[case::no_such_layer(
    |it: PartitionProblem<'static>| it.cut_before(5),
    "a cut is pinned before layer 5, but the model has 5 layers: cuts fall before layers 1 to 4"
)]
#[case::too_few_devices(
    |it: PartitionProblem<'static>| it.in_free_order(3),
    "3 stages need as many devices, but there are 2: ask for 1 to 2 stages"
)]
#[case::too_few_bytes(
    |it: PartitionProblem<'static>| it.with_bytes(vec![1; 4]),
    "there are 4 numbers of bytes for 5 layers: give one for each"
)]
fn what_cannot_be_is_an_error_that_names_both(
    #[case] change: fn(PartitionProblem<'static>) -> PartitionProblem<'static>,
    #[case] message: &str,
) {
    let problem = PartitionProblem::new(vec![1.0; 5], devices(&[MIB, MIB]));
    assert_eq!(change(problem).solve().unwrap_err().to_string(), message);
}
