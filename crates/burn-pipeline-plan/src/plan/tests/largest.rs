//! The largest mini-batch and the largest model that fit.

use super::*;

#[test]
fn the_largest_batch_fits_and_one_sample_more_does_not() {
    let profile = profile(&[(1.0, 4), (2.0, 6), (1.0, 3), (1.0, 4)]);
    let cluster = cluster(&[1e9; 2], Some(60 * MIB), 0.0);
    let planner = || Planner::new(&profile, &cluster).with_num_micro_batches([1, 2, 4]);
    let plan = planner().largest_batch(1000).unwrap();
    assert!(plan.batch_size() > 4);
    let error = planner().plan(plan.batch_size() + 1).unwrap_err();
    assert!(matches!(error, PlanError::Memory { .. }), "{error}");
    let error = planner().largest_batch(3).unwrap_err();
    assert!(
        matches!(error, PlanError::NoLimit { most: 3, .. }),
        "{error}"
    );
}

#[test]
fn the_largest_batch_is_found_where_it_must_be_in_many_micro_batches() {
    let profile = profile(&[(1.0, 4), (2.0, 6), (1.0, 3), (1.0, 4)]);
    let cluster = cluster(&[1e9; 2], Some(60 * MIB), 0.0);
    let planner = || Planner::new(&profile, &cluster).with_num_micro_batches([8, 12]);
    let plan = planner().largest_batch(1000).unwrap();
    assert!(plan.batch_size() > 8);
    assert!(planner().plan(plan.batch_size() + 1).is_err());
    let error = planner().largest_batch(7).unwrap_err();
    assert!(matches!(error, PlanError::NothingToTry { .. }), "{error}");
    let small = cluster.clone().with_memory_limit(MIB);
    let planner = Planner::new(&profile, &small).with_num_micro_batches([8, 12]);
    let error = planner.largest_batch(1000).unwrap_err();
    assert!(matches!(error, PlanError::Memory { .. }), "{error}");
}

#[test]
fn the_largest_model_fits_and_one_repetition_more_does_not() {
    let profile = profile(&[(1.0, 2), (2.0, 1), (1.0, 1), (1.0, 2)]);
    let cluster = cluster(&[1e9; 2], Some(60 * MIB), 0.0);
    let num_times = Planner::new(&profile, &cluster)
        .largest_model(4, 1..3, 100)
        .unwrap();
    assert!(num_times > 1);
    let model = profile.repeated(1..3, num_times);
    assert_eq!(model.num_layers(), 2 + 2 * num_times);
    assert!(Planner::new(&model, &cluster).plan(4).is_ok());
    let model = profile.repeated(1..3, num_times + 1);
    let more = Planner::new(&model, &cluster).plan(4);
    assert!(more.is_err(), "{}", more.unwrap());
}
