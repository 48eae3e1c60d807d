use super::{Signal, SignalMapper, SignalVisitor};

impl<S: Signal> Signal for Option<S> {
    fn visit<V: SignalVisitor>(&self, visitor: &mut V) {
        if let Some(signal) = self {
            signal.visit(visitor);
        }
    }

    fn map<M: SignalMapper>(self, mapper: &mut M) -> Self {
        self.map(|signal| signal.map(mapper))
    }
}

impl<S: Signal> Signal for Vec<S> {
    fn visit<V: SignalVisitor>(&self, visitor: &mut V) {
        self.iter().for_each(|signal| signal.visit(visitor));
    }

    fn map<M: SignalMapper>(self, mapper: &mut M) -> Self {
        self.into_iter().map(|signal| signal.map(mapper)).collect()
    }
}

impl<S: Signal, const N: usize> Signal for [S; N] {
    fn visit<V: SignalVisitor>(&self, visitor: &mut V) {
        self.iter().for_each(|signal| signal.visit(visitor));
    }

    fn map<M: SignalMapper>(self, mapper: &mut M) -> Self {
        self.map(|signal| signal.map(mapper))
    }
}

impl Signal for () {
    fn visit<V: SignalVisitor>(&self, _visitor: &mut V) {}

    fn map<M: SignalMapper>(self, _mapper: &mut M) -> Self {}
}

macro_rules! signal_of_tuple {
    ($($part:ident $index:tt),+) => {
        impl<$($part: Signal),+> Signal for ($($part,)+) {
            fn visit<V: SignalVisitor>(&self, visitor: &mut V) {
                $(self.$index.visit(visitor);)+
            }

            fn map<M: SignalMapper>(self, mapper: &mut M) -> Self {
                ($(self.$index.map(mapper),)+)
            }
        }
    };
}

signal_of_tuple!(A 0);
signal_of_tuple!(A 0, B 1);
signal_of_tuple!(A 0, B 1, C 2);
signal_of_tuple!(A 0, B 1, C 2, D 3);
signal_of_tuple!(A 0, B 1, C 2, D 3, E 4);
signal_of_tuple!(A 0, B 1, C 2, D 3, E 4, F 5);
signal_of_tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
signal_of_tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
signal_of_tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8);
signal_of_tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9);
signal_of_tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10);
signal_of_tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11);
