//! The names of the entries, without the prefix that all keys share.

use hotshelf_cache::Key;
use hotshelf_domain::{PageRequest, PageStart, ProductId};

/// `id:<id>`.
pub(crate) fn product(id: ProductId) -> Key {
    Key::numbered("id:", id.get())
}

/// The product whose entry that is.
pub(crate) fn product_of(key: &Key) -> Option<ProductId> {
    ProductId::new(key.as_str().strip_prefix("id:")?.parse().ok()?)
}

/// `list:<offset>:<limit>` or `list:after:<id>:<position>:<limit>`.
pub(crate) fn page(request: &PageRequest) -> Key {
    let limit = request.limit;
    match request.start {
        PageStart::Offset(offset) => Key::new(format!("list:{offset}:{limit}")),
        PageStart::After { id, position } => Key::new(format!("list:after:{id}:{position}:{limit}")),
    }
}

/// The page whose entry that is.
pub(crate) fn page_of(key: &Key) -> Option<PageRequest> {
    let parts: Vec<&str> = key.as_str().split(':').collect();
    let (start, limit) = match parts[..] {
        ["list", offset, limit] => (PageStart::Offset(offset.parse().ok()?), limit),
        ["list", "after", id, position, limit] => {
            let (id, position) = (ProductId::new(id.parse().ok()?)?, position.parse().ok()?);
            (PageStart::After { id, position }, limit)
        }
        _ => return None,
    };
    Some(PageRequest { start, limit: limit.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_back() {
        let id = ProductId::new(7).unwrap();
        assert_eq!(product(id).as_str(), "id:7");
        assert_eq!(product_of(&product(id)), Some(id));
        for start in [PageStart::Offset(40), PageStart::After { id, position: 40 }] {
            let request = PageRequest { start, limit: 20 };
            assert_eq!(page_of(&page(&request)), Some(request));
        }
        assert_eq!((product_of(&Key::new("list:0:20")), page_of(&Key::new("id:7"))), (None, None));
    }
}
