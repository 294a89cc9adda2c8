use hotshelf_domain::StoreError;

/// Whether copies of what is being written are barred for the time of the write, wherever they are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copies {
    /// They are: nobody can read an old copy or make one.
    Fenced,
    /// They are not, because their keeper is out of reach. The write advances the epoch of all copies with it.
    Unfenced,
}

/// What a write did, and the epoch it opened if it had to ([`Copies::Unfenced`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed<T> {
    /// The result.
    pub value: T,
    /// Copies of an older epoch than this are void.
    pub epoch: Option<i64>,
}

impl<T> Committed<T> {
    /// The result and the epoch. An epoch that cannot be is a failure, not none: the copies would stay good.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]; the write is in the database all the same.
    pub fn into_parts(self) -> Result<(T, Option<u64>), StoreError> {
        let counted =
            |epoch| u64::try_from(epoch).map_err(|_| StoreError::from_serialization(format!("{epoch} is no epoch")));
        Ok((self.value, self.epoch.map(counted).transpose()?))
    }
}
