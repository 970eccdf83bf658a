//! Running one scenario on one engine.

use crate::Kind;
use std::future::Future;
use std::time::Duration;

/// No scenario may take longer.
const TIME_MAX: Duration = Duration::from_secs(60);
/// The same on servers with SQL, where a new volume takes 0.2 s and more: some scenarios make hundreds.
const TIME_MAX_SQL: Duration = Duration::from_secs(300);

/// Runs `scenario` on a runtime shaped like a mount's: two workers. Panics when it takes too long.
pub fn run<F: Future<Output = ()>>(kind: Kind, scenario: impl FnOnce(Kind) -> F) {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build().unwrap();
    let time_max = match kind.is_sql_server() {
        true => TIME_MAX_SQL,
        false => TIME_MAX,
    };
    let in_time = runtime.block_on(async { tokio::time::timeout(time_max, scenario(kind)).await });
    runtime.shutdown_timeout(Duration::from_secs(1));
    in_time.unwrap_or_else(|_| panic!("still running after {time_max:?}"));
}

/// Makes every scenario (an `async fn(Kind)`) a test on every engine.
#[macro_export]
macro_rules! on_every_engine {
    ($($name:ident),* $(,)?) => {
        mod memory { $( #[test] fn $name() { $crate::run($crate::Kind::Memory, super::$name) } )* }
        mod sqlite { $( #[test] fn $name() { $crate::run($crate::Kind::Sqlite, super::$name) } )* }
        mod postgres { $( #[test] fn $name() { $crate::run($crate::Kind::Postgres, super::$name) } )* }
        mod mariadb { $( #[test] fn $name() { $crate::run($crate::Kind::Mariadb, super::$name) } )* }
        mod redis { $( #[test] fn $name() { $crate::run($crate::Kind::Redis, super::$name) } )* }
    };
}
