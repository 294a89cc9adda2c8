//! Products as JSON: the bodies of writes, and the meaning of answers.

use hotshelf_testkit::Reply;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::asked::CATEGORIES;
use crate::history::{Change, Field, Seen};

/// The product in an answer. The plain cache-aside has only the stock.
#[derive(Deserialize)]
pub(crate) struct Product {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) version: i64,
    stock: i64,
    price: Option<f64>,
    category: Option<String>,
    schema_id: Option<i64>,
}

#[derive(Deserialize)]
pub(crate) struct ProductBody {
    pub(crate) product: Product,
}

#[derive(Deserialize)]
pub(crate) struct DetailsBody {
    pub(crate) product: Product,
    fields: Fields,
    images: Vec<Image>,
}

#[derive(Deserialize)]
struct Fields {
    note: Option<String>,
}

#[derive(Deserialize)]
struct Image {
    url: String,
}

#[derive(Deserialize)]
pub(crate) struct PageBody {
    pub(crate) products: Vec<Product>,
    pub(crate) total: usize,
    pub(crate) limit: usize,
    pub(crate) next_cursor: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct SeveralBody {
    pub(crate) products: Vec<Product>,
    pub(crate) missing: Vec<i64>,
}

#[derive(Deserialize)]
pub(crate) struct IdsBody {
    pub(crate) ids: Vec<i64>,
    pub(crate) total: usize,
}

#[derive(Deserialize)]
pub(crate) struct CreatedBody {
    pub(crate) created: Vec<i64>,
}

#[derive(Deserialize)]
pub(crate) struct DeletedBody {
    pub(crate) deleted: Vec<i64>,
}

impl Product {
    pub(crate) fn seen(&self) -> Seen {
        let category = |name: &String| CATEGORIES.iter().position(|category| category == name).map_or(-1, |n| n as i64);
        let fields = [
            (Field::Stock, Some(self.stock)),
            (Field::Price, self.price.map(|price| price as i64)),
            (Field::Category, self.category.as_ref().map(category)),
            (Field::Schema, self.schema_id),
        ];
        let fields = fields.into_iter().filter_map(|(field, value)| Some((field, value?))).collect();
        Seen { id: self.id, version: self.version, fields }
    }
}

impl DetailsBody {
    /// 0 stands for a missing value.
    pub(crate) fn seen(&self) -> Seen {
        let note = self.fields.note.as_deref().unwrap_or("0");
        let image = self.images.first().and_then(|image| image.url.strip_prefix(IMAGES)).unwrap_or("0");
        let mut seen = self.product.seen();
        seen.fields
            .extend([(Field::Note, note), (Field::Image, image)].map(|(field, text)| (field, text.parse().unwrap())));
        seen
    }
}

const IMAGES: &str = "https://images.example/";

/// The body of this write.
pub(crate) fn body(changes: &[Change]) -> Value {
    let mut body = json!({});
    for &(field, value) in changes {
        let (name, value) = match field {
            Field::Stock => ("stock", value.into()),
            Field::Price => ("price", value.into()),
            Field::Category => ("category", CATEGORIES[value as usize].into()),
            Field::Schema => ("schema_id", value.into()),
            Field::Note => ("fields", json!({"note": value.to_string()})),
            Field::Image => ("images", json!([{"url": format!("{IMAGES}{value}")}])),
        };
        body[name] = value;
    }
    body
}

pub(crate) fn parse<'a, T: Deserialize<'a>>(reply: &'a Reply) -> T {
    serde_json::from_str(reply.text()).unwrap_or_else(|error| panic!("{error}: {reply:?}"))
}
