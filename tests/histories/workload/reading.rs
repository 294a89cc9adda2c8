//! Reads, each compared with the history.

use std::time::Instant;

use hotshelf_testkit::Reply;

use super::Workload;
use crate::asked::{Asked, List, PRODUCTS};
use crate::bodies::{DetailsBody, IdsBody, PageBody, Product, ProductBody, SeveralBody, parse};
use crate::history::{Claim, Field, Filter, Kind, Order, Page, Read, Start, Test};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Freshness {
    Cached,
    NoCache,
    /// With the highest version that was acknowledged as `X-Min-Version`.
    MinVersion,
}

/// The content of an answer about the catalogue.
struct Answer {
    claims: Vec<Claim>,
    next_cursor: Option<String>,
}

/// Compressed answers must be as fresh as plain ones.
const CODINGS: [Option<&str>; 6] = [None, None, None, Some("zstd"), Some("br"), Some("gzip")];

impl From<Claim> for Answer {
    fn from(claim: Claim) -> Self {
        Answer { claims: vec![claim], next_cursor: None }
    }
}

impl Workload {
    /// Sends and checks one read, and returns the first claim of its answer; `None` without an answer.
    pub(crate) async fn read(&self, instance: usize, asked: &Asked, freshness: Freshness) -> Option<Claim> {
        let Answer { claims, .. } = self.ask(instance, asked, freshness, None).await?;
        claims.into_iter().next()
    }

    /// Reads and checks all pages, each by the cursor of the one before; `None` if one is not answered.
    pub(crate) async fn walk(&self, instance: usize, limit: usize) -> Option<()> {
        let mut cursor: Option<(String, i64)> = None;
        loop {
            let (target, after) = match &cursor {
                None => (format!("{PRODUCTS}?limit={limit}"), None),
                Some((cursor, after)) => (format!("{PRODUCTS}?cursor={cursor}&limit={limit}"), Some(*after)),
            };
            let asked = Asked::List(List { target, filters: Vec::new(), order: Order::default(), offset: 0 });
            let Answer { claims, next_cursor } = self.ask(instance, &asked, Freshness::Cached, after).await?;
            let Some(Claim::Page(page)) = claims.first() else { return None };
            let (Some(next), Some(last)) = (next_cursor, page.ids.last()) else { return Some(()) };
            cursor = Some((next, *last));
        }
    }

    async fn ask(&self, instance: usize, asked: &Asked, freshness: Freshness, after: Option<i64>) -> Option<Answer> {
        let mut request = self.client(instance).get(&asked.target());
        if let Some(coding) = CODINGS[rand::random_range(0..CODINGS.len())] {
            request = request.header("accept-encoding", coding);
        }
        match (freshness, asked) {
            (Freshness::NoCache, _) => request = request.header("cache-control", "no-cache"),
            (Freshness::MinVersion, Asked::Product(id) | Asked::Details(id)) => {
                let version = self.history().acknowledged(*id)?;
                request = request.header("x-min-version", &version.to_string());
            }
            _ => {}
        }
        let sent = Instant::now();
        let reply = request.try_send().await.ok();
        let answered = Instant::now();
        let Some(answer) = reply.and_then(|reply| self.understand(&reply, asked, after)) else {
            self.tally().unanswered += 1;
            return None;
        };
        self.tally().note_kind(asked);
        let kind = if freshness == Freshness::Cached { Kind::Plain } else { Kind::Strict };
        for claim in &answer.claims {
            self.check(&Read { sent, answered, of: instance, kind, claim: claim.clone() });
        }
        Some(answer)
    }

    /// The content of the reply about the catalogue, if any.
    fn understand(&self, reply: &Reply, asked: &Asked, after: Option<i64>) -> Option<Answer> {
        match (reply.status, asked) {
            (200, Asked::Product(_)) => {
                let product = parse::<ProductBody>(reply).product;
                self.sighted(&[&product]);
                Some(Claim::There(product.seen()).into())
            }
            (200, Asked::Details(_)) => {
                let details: DetailsBody = parse(reply);
                self.sighted(&[&details.product]);
                Some(Claim::There(details.seen()).into())
            }
            (404, Asked::Product(id) | Asked::Details(id)) => Some(Claim::NotThere(*id).into()),
            (200, Asked::Several(_)) => {
                let SeveralBody { products, missing } = parse(reply);
                self.sighted(&products.iter().collect::<Vec<_>>());
                let there = products.iter().map(|product| Claim::There(product.seen()));
                let claims = there.chain(missing.into_iter().map(Claim::NotThere)).collect();
                Some(Answer { claims, next_cursor: None })
            }
            (200, Asked::List(List { filters, order, offset, .. })) => {
                let PageBody { products, total, limit, next_cursor } = parse(reply);
                self.sighted(&products.iter().collect::<Vec<_>>());
                let ids = products.iter().map(|product| product.id).collect();
                let products = products.iter().map(Product::seen).collect();
                let start = after.map_or(Start::Offset(*offset), Start::After);
                let page = Page { ids, products, total, limit, start, filters: filters.clone(), order: *order };
                Some(Answer { claims: vec![Claim::Page(page)], next_cursor })
            }
            (200, Asked::Ids(schema)) => {
                let IdsBody { ids, total } = parse(reply);
                let filters = schema.map(|schema| Filter { field: Field::Schema, test: Test::Is(schema) });
                let page = Page {
                    ids,
                    products: Vec::new(),
                    total,
                    limit: usize::MAX,
                    start: Start::Offset(0),
                    filters: filters.into_iter().collect(),
                    order: Order::default(),
                };
                Some(Claim::Page(page).into())
            }
            _ => None,
        }
    }

    fn sighted(&self, products: &[&Product]) {
        let mut history = self.history();
        products.iter().for_each(|product| history.sighted(product.id, &product.name));
    }

    fn check(&self, read: &Read) {
        let history = self.history();
        let verdict = history.judge(read);
        self.tally().note_read(read, &verdict, || history.explain(read, &verdict));
    }
}
