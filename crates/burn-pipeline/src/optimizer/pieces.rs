//! The record of an optimizer, taken apart into what it holds of each parameter.
//!
//! Burn keeps the fields of a record to itself, and their form in a burnpack is public: tensors
//! with the id of their parameter, scalars named `<id>.<field>`, and the parameter's path under
//! `<id>` in the metadata.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::ParamId;
use burn::optim::OptimizerRecord;
use burn::store::RecordError;
use burn::tensor::Bytes;
use burn_pack::{Reader, Scalar, Tensor, Writer};

/// The state of one parameter, in host memory.
#[derive(Clone, Default)]
pub(crate) struct Piece {
    tensors: Vec<Tensor>,
    scalars: Vec<(String, Scalar)>,
    path: Option<(String, String)>,
}

/// The states of parameters, in the order of their ids.
#[derive(Default)]
pub(crate) struct Pieces(BTreeMap<ParamId, Piece>);

impl Piece {
    pub(super) fn into_record(self) -> Result<OptimizerRecord, RecordError> {
        OptimizerRecord::from_bytes(write([self]).into_bytes()?)
    }
}

impl Pieces {
    pub(super) fn of_record(record: OptimizerRecord) -> Result<Self, RecordError> {
        Self::from_reader(Reader::from_bytes(record.into_bytes()?)?)
    }

    pub(crate) fn read<P: AsRef<Path>>(path: P) -> Result<Self, RecordError> {
        Self::from_reader(Reader::from_file(path)?)
    }

    pub(super) fn into_record(self) -> Result<OptimizerRecord, RecordError> {
        OptimizerRecord::from_bytes(self.into_writer().into_bytes()?)
    }

    pub(crate) fn into_writer(self) -> Writer {
        write(self.0.into_values())
    }

    pub(super) fn insert(&mut self, id: ParamId, piece: Piece) {
        self.0.insert(id, piece);
    }

    pub(super) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub(super) fn into_iter(self) -> impl Iterator<Item = (ParamId, Piece)> {
        self.0.into_iter()
    }

    fn from_reader(reader: Reader) -> Result<Self, RecordError> {
        let mut pieces = Self::default();
        for (name, scalar) in reader.scalars() {
            let id = name.split_once('.').map_or(name.as_str(), |(id, _)| id);
            let piece = pieces.of(id)?;
            piece.scalars.push((name.clone(), *scalar));
        }
        for (id, path) in reader.metadata() {
            pieces.of(id)?.path = Some((id.clone(), path.clone()));
        }
        for tensor in reader.into_tensors()? {
            let (name, dtype, shape, id, bytes) = tensor.into_parts()?;
            let id = id.ok_or_else(|| foreign(&name))?;
            // A copy of its own: what was read may be a view of a whole record, or of a file that
            // is replaced before anyone looks.
            let bytes = Bytes::from_bytes_vec(bytes.to_vec());
            let tensor = Tensor::new(name, dtype, shape, Some(id), bytes);
            let piece = pieces.0.entry(ParamId::from(id)).or_default();
            piece.tensors.push(tensor);
        }
        Ok(pieces)
    }

    fn of(&mut self, id: &str) -> Result<&mut Piece, RecordError> {
        let id: u64 = id.parse().map_err(|_| foreign(id))?;
        Ok(self.0.entry(ParamId::from(id)).or_default())
    }
}

fn write(pieces: impl IntoIterator<Item = Piece>) -> Writer {
    let mut tensors = Vec::new();
    let mut scalars = Vec::new();
    let mut paths = Vec::new();
    for piece in pieces {
        tensors.extend(piece.tensors);
        scalars.extend(piece.scalars);
        paths.extend(piece.path);
    }
    let mut writer = Writer::new(tensors);
    for (name, scalar) in scalars {
        writer = writer.with_scalar(&name, scalar);
    }
    for (id, path) in paths {
        writer = writer.with_metadata(&id, &path);
    }
    writer
}

fn foreign(name: &str) -> RecordError {
    RecordError::Validation(format!(
        "`{name}` belongs to no parameter, so this is not the record of an optimizer: load what an optimizer has saved"
    ))
}
