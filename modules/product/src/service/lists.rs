//! Pages of lists. What is cached of one are the ids and what is around them; the products come from their own entries,
//! and a total that has to be counted has an entry of its own, which all pages of the list share.

use hotshelf_cache::{Found, Key, Namespace, Read, Source, Value};
use hotshelf_database::Database;
use hotshelf_domain::{Filter, Order, PageRequest, PageStart, ProductPage, ProductScope, Search, StoreError};

use super::ProductService;
use crate::error::ProductError;
use crate::pages::{Listing, Page, Style, farther};
use crate::{keys, render, tags};

/// A page of an organization or a schema, by its number.
#[derive(Clone, Debug, PartialEq)]
pub struct MemberPage {
    /// Whose products.
    pub members: ProductScope,
    /// From 1.
    pub page: i64,
    /// How many at most.
    pub limit: u32,
    /// The words they are searched for by.
    pub search: Option<Search>,
    /// Their order.
    pub order: Order,
}

impl MemberPage {
    pub(super) fn key(&self) -> Key {
        keys::member_page(self.members, self.page, self.limit, self.search.as_ref(), self.order)
    }

    pub(super) fn request(&self) -> PageRequest {
        let filter = Filter { search: self.search.clone(), ..self.members.filter() };
        let position = self.page.saturating_sub(1).saturating_mul(i64::from(self.limit));
        PageRequest { filter, order: self.order, start: PageStart::Offset(position), limit: self.limit }
    }
}

impl ProductService {
    /// A page of the products.
    ///
    /// Counted as one lookup of the page; those of its products are not counted.
    ///
    /// # Errors
    /// [`StoreError::NoSuchOrganization`] or [`StoreError::NoSuchSchema`] among others.
    pub async fn page(&self, request: PageRequest, read: Read) -> Result<Page, ProductError> {
        self.page_in(&self.0.lists, keys::page(&request), request, Style::Offset, read).await
    }

    /// A page of the products of an organization or a schema.
    ///
    /// # Errors
    /// As [`page`](ProductService::page).
    pub async fn member_page(&self, page: MemberPage, read: Read) -> Result<Page, ProductError> {
        self.page_in(&self.0.pages, page.key(), page.request(), Style::Numbered, read).await
    }

    pub(super) async fn page_in(
        &self,
        namespace: &Namespace,
        key: Key,
        request: PageRequest,
        style: Style,
        read: Read,
    ) -> Result<Page, ProductError> {
        if !read.bypass {
            let found = self.listing(namespace, key, &request).await?;
            if let Some(listing) = found.value.and_then(|value| Listing::unpack(value.payload)) {
                let (products, source) = self.members(&listing.ids, false).await?;
                if let Some(products) = products.into_iter().collect::<Option<Vec<_>>>() {
                    let (total, counted) = self.total(&listing, &request.filter, found.source).await?;
                    let source = farther(farther(found.source, source), counted);
                    return Ok(listing.show(&request, style, total, &products, source)?);
                }
            }
        }
        // Asked for, or one of the products was deleted since the page was read: all of one moment.
        let ProductPage { products, total, has_more, next } = self.0.repository.page(request.clone()).await?;
        let ids = products.iter().map(|product| product.id).collect();
        let products = products.iter().map(render::product).collect::<Result<Vec<_>, _>>()?;
        let listing = Listing::new(&request, ids, Some(total), next.filter(|_| has_more));
        Ok(listing.show(&request, style, total, &products, Source::Bypassed)?)
    }

    /// What is cached of the page. What memory has needs no list of what it depends on.
    async fn listing(&self, namespace: &Namespace, key: Key, request: &PageRequest) -> Result<Found, StoreError> {
        // A page has no version that a client could have seen.
        let read = Read::default();
        if let Some((value, source)) = self.0.cache.peek(namespace, &key, read) {
            return Ok(Found { value: Some(value), source });
        }
        let (repository, wanted) = (self.0.repository.clone(), request.clone());
        let entry = namespace.tagged_entry(key, tags::of_list(&request.filter, request.order));
        self.0.cache.get_or_load(entry, read, move || load_listing(repository.clone(), wanted.clone())).await
    }

    /// The total of the list, and where it came from, given where the page did.
    async fn total(&self, listing: &Listing, filter: &Filter, page: Source) -> Result<(i64, Source), StoreError> {
        if let Some(total) = listing.total {
            return Ok((total, page));
        }
        let (repository, counted) = (self.0.repository.clone(), filter.clone());
        let load = move || load_total(repository.clone(), counted.clone());
        let entry = self.0.totals.tagged_entry(keys::total(filter), tags::of_filter(filter));
        let found = self.0.cache.get_or_load(entry, Read::default(), load).await?;
        let total = found.value.and_then(|value| value.payload[..].try_into().ok()).map(i64::from_be_bytes);
        match total {
            Some(total) => Ok((total, found.source)),
            // Nothing that this version would write.
            None => Ok((self.0.repository.count(filter.clone()).await?, Source::Bypassed)),
        }
    }
}

pub(super) async fn load_listing(repository: Database, request: PageRequest) -> Result<Option<Value>, StoreError> {
    let page = repository.page_ids(request.clone()).await?;
    let next = page.next.filter(|_| page.has_more);
    Ok(Some(Listing::new(&request, page.ids, page.total, next).pack()))
}

pub(super) async fn load_total(repository: Database, filter: Filter) -> Result<Option<Value>, StoreError> {
    let total = repository.count(filter).await?.to_be_bytes();
    Ok(Some(Value::unversioned(total.to_vec())))
}
