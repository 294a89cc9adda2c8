//! What the service writes while it runs.

use crate::catalogue::{create, laptop, read};
use crate::hotshelf;

#[tokio::test]
async fn logs_can_be_json_line_by_line() {
    let mut service = hotshelf().env("LOG_FORMAT", "json").start().await;
    let product = create(&service, &laptop()).await;
    read(&service, &product).await;
    let log = service.log();
    service.kill();
    assert!(!log.is_empty());
    for line in log.lines() {
        let parsed: Result<serde_json::Value, _> = serde_json::from_str(line);
        assert!(parsed.is_ok_and(|line| line.is_object()), "no JSON: {line}");
    }
}
