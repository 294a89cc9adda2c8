//! The audit log: each entry is of a write that happened, or of what was refused, and the newest come first.

use chrono::{TimeDelta, Utc};
use hotshelf_cache::Fencing;
use hotshelf_database::Database;
use hotshelf_domain::{
    Actor, AuditAction, AuditEntry, AuditPlace, AuditQuery, AuditTarget, Home, NewUser, OrganizationDraft,
    OrganizationId, Role, StoreError, User, UserId,
};

use crate::adapter::Adapter;

fn admin(email: &str) -> NewUser {
    let home = Home::In(OrganizationId::BUILT_IN);
    NewUser { email: email.parse().unwrap(), password_hash: None, home, role: Role::Admin, verified: true }
}

async fn add(database: &Database, new: NewUser, by: Actor) -> User {
    database.add_user(new, None, by, Fencing::Fenced).await.unwrap().value
}

fn by(user: i64, organization: i64) -> Actor {
    Actor { user: UserId::new(user), organization: OrganizationId::new(organization), ..Actor::default() }
}

fn all() -> AuditQuery {
    AuditQuery { limit: 100, ..AuditQuery::default() }
}

async fn entries(database: &Database, query: AuditQuery) -> Vec<AuditEntry> {
    database.audit_log(query).await.unwrap()
}

fn actions(entries: &[AuditEntry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.action.as_str()).collect()
}

pub(crate) async fn what_happened_is_recorded_and_what_did_not_is_not(adapter: Adapter) {
    let storage = adapter.storage();
    let database = storage.open().await;
    let ann = add(&database, admin("ann@shop.example"), Actor::command_line()).await;
    let role = Role::Viewer;
    let refused = database.set_role(ann.id, role, by(1, 1), Fencing::Fenced).await.unwrap_err();
    assert!(matches!(refused, StoreError::LastAdmin(_)));
    add(&database, admin("bob@shop.example"), by(1, 1)).await;
    database.set_role(ann.id, role, by(2, 1), Fencing::Unfenced).await.unwrap();
    // A write whose neighbour in the same commit fails is run twice, and recorded once.
    let (removed, failed) = tokio::join!(
        database.remove_user(ann.id, false, by(2, 1), Fencing::Fenced),
        database.remove_user(UserId::new(99).unwrap(), false, by(2, 1), Fencing::Fenced),
    );
    assert!(removed.is_ok() && failed.is_err());

    let log = entries(&database, all()).await;
    assert_eq!(actions(&log), ["user.removed", "user.role_changed", "user.added", "user.added"]);
    let changed = &log[1];
    assert_eq!((changed.user_id, changed.target.as_deref()), (UserId::new(2), Some("user:1")));
    assert_eq!(changed.detail.as_deref(), Some("ann@shop.example, viewer instead of admin"));
    assert_eq!((changed.outcome.as_str(), changed.count), ("done", 1));
    let first = &log[3];
    assert_eq!(first.origin.as_deref(), Some("command line"));
    assert_eq!(first.organization_id, Some(OrganizationId::BUILT_IN), "that it was done for");
}

pub(crate) async fn who_was_not_let_in_is_found_by_the_address(adapter: Adapter) {
    let storage = adapter.storage();
    let database = storage.open().await;
    let new = OrganizationDraft::from_json(br#"{"name": "Two"}"#).unwrap().into_new().unwrap();
    let ann = NewUser { home: Home::New(new), ..admin("ann@two.example") };
    let ann = add(&database, ann, Actor::default()).await;
    let earlier = Utc::now() - TimeDelta::minutes(1);
    let noted = ["ann@two.example", "nobody@two.example"].map(|email| {
        let actor = Actor::default().claiming(email.parse().ok());
        (earlier, actor.does(AuditAction::LoginLimited))
    });
    database.note_audited(noted.to_vec()).await.unwrap();

    let own = AuditQuery { organization: Some(ann.organization_id), ..all() };
    assert_eq!(actions(&entries(&database, own).await), ["user.registered", "login.limited"]);
    let limited = AuditQuery { action: Some(AuditAction::LoginLimited), ..all() };
    let limited = entries(&database, limited).await;
    let who: Vec<_> = limited.iter().map(|entry| (entry.user_id, entry.email.as_deref().unwrap())).collect();
    assert_eq!(who, [(None, "nobody@two.example"), (Some(ann.id), "ann@two.example")]);
    assert_eq!(limited[0].at.timestamp_millis(), earlier.timestamp_millis());
}

pub(crate) async fn pages_go_from_the_newest_to_the_oldest(adapter: Adapter) {
    let storage = adapter.storage();
    let database = storage.open().await;
    let end = Utc::now();
    let at = |minutes| end - TimeDelta::minutes(minutes);
    let noted = |minutes: i64, user: i64| {
        let record = by(user, 1 + user % 2).does(AuditAction::OperationRefused);
        (at(minutes), record.to(AuditTarget::Operation("GET /metrics".into())))
    };
    // Three at each time.
    database.note_audited((0..12).map(|index| noted(index / 3, 1 + index)).collect()).await.unwrap();

    let whole = entries(&database, all()).await;
    let mut paged: Vec<AuditEntry> = Vec::new();
    loop {
        let after = paged.last().map(|last| AuditPlace { at: last.at.timestamp_millis(), id: last.id });
        match entries(&database, AuditQuery { after, limit: 5, ..all() }).await {
            page if page.is_empty() => break,
            page => paged.extend(page),
        }
    }
    assert_eq!((paged.len(), &paged), (12, &whole));
    assert!(whole.is_sorted_by(|one, next| (one.at, one.id) > (next.at, next.id)));

    let own = AuditQuery { organization: OrganizationId::new(2), ..all() };
    assert_eq!(entries(&database, own).await.len(), 6);
    let of_user = entries(&database, AuditQuery { user: UserId::new(7), ..all() }).await;
    assert_eq!(of_user.len(), 1);
    let between = AuditQuery { since: Some(at(2)), until: Some(at(1)), ..all() };
    let between = entries(&database, between).await;
    assert_eq!(between.iter().filter_map(|entry| entry.user_id).map(UserId::get).collect::<Vec<_>>(), [9, 8, 7]);
}

pub(crate) async fn what_is_old_or_too_much_is_forgotten(adapter: Adapter) {
    let storage = adapter.storage();
    let database = storage.open().await;
    let noted = |days: i64, action: AuditAction| (Utc::now() - TimeDelta::days(days), by(1, 1).does(action));
    let (access, change) = (AuditAction::LoginFailed, AuditAction::CacheWarmed);
    let records = [(9, change), (8, access), (3, access), (2, change), (1, access), (0, access)];
    database.note_audited(records.map(|(days, action)| noted(days, action)).to_vec()).await.unwrap();

    assert_eq!(database.forget_audited_before(Utc::now() - TimeDelta::days(5)).await.unwrap(), 2);
    assert_eq!(database.forget_audited_before(Utc::now() - TimeDelta::days(5)).await.unwrap(), 0);
    assert_eq!(database.forget_access_beyond(3).await.unwrap(), 0);
    assert_eq!(database.forget_access_beyond(2).await.unwrap(), 1);
    let left = entries(&database, all()).await;
    assert_eq!(actions(&left), ["login.failed", "login.failed", "cache.warmed"], "changes are kept");
}
