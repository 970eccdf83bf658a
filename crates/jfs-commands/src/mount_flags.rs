//! Flags of programs that serve a volume, in groups.

mod data_cache;
mod data_storage;
mod fuse;
mod metadata;
mod metadata_cache;
mod metrics;

pub use data_cache::DataCacheFlags;
pub use data_storage::DataStorageFlags;
pub use fuse::FuseFlags;
pub use metadata::MetadataFlags;
pub use metadata_cache::MetadataCacheFlags;
pub use metrics::MetricsFlags;
