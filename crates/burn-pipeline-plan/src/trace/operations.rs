use crate::Op;

/// The operations and their names, in the order in which drawings list them.
pub(super) const OPERATIONS: [(Op, &str); 3] = [
    (Op::Forward, "forward"),
    (Op::Recompute, "recompute"),
    (Op::Backward, "backward"),
];
