use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;

/// The typed registry through which modules find each other: one handle per type, provided in `init` and cheap to
/// clone.
pub struct Services {
    handles: HashMap<TypeId, Provided>,
    /// The module whose `init` runs now; the container sets it.
    pub(crate) current: &'static str,
}

struct Provided {
    by: &'static str,
    handle: Box<dyn Any + Send + Sync>,
}

/// A module cannot get or offer a service. Always a mistake in the wiring.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServiceError {
    /// Nobody has offered it before the module that needs it was initialized.
    #[error("module `{module}` needs {service} of module `{provider}`: register `{provider}` before `{module}`")]
    Missing {
        /// Who asks.
        module: &'static str,
        /// The Rust type asked for.
        service: &'static str,
        /// Who should have offered it.
        provider: &'static str,
    },
    /// Two modules offer the same type.
    #[error("modules `{first}` and `{second}` both provide {service}")]
    Duplicate {
        /// Who offered it first.
        first: &'static str,
        /// Who offers it again.
        second: &'static str,
        /// The Rust type.
        service: &'static str,
    },
}

impl Services {
    pub(crate) fn new(current: &'static str) -> Self {
        Services { handles: HashMap::new(), current }
    }

    /// Offers `handle` to the modules that come later.
    ///
    /// # Errors
    /// [`ServiceError::Duplicate`] when a handle of this type is there already.
    pub fn provide<T: Any + Send + Sync>(&mut self, handle: T) -> Result<(), ServiceError> {
        if let Some(provided) = self.handles.get(&TypeId::of::<T>()) {
            return Err(ServiceError::Duplicate {
                first: provided.by,
                second: self.current,
                service: type_name::<T>(),
            });
        }
        self.handles.insert(TypeId::of::<T>(), Provided { by: self.current, handle: Box::new(handle) });
        Ok(())
    }

    /// A clone of the handle of type `T`, which module `provider` is expected to have offered.
    ///
    /// # Errors
    /// [`ServiceError::Missing`], naming both modules.
    pub fn require<T: Any + Clone>(&self, provider: &'static str) -> Result<T, ServiceError> {
        let handle = self.handles.get(&TypeId::of::<T>()).and_then(|provided| provided.handle.downcast_ref::<T>());
        handle.cloned().ok_or(ServiceError::Missing { module: self.current, service: type_name::<T>(), provider })
    }
}
