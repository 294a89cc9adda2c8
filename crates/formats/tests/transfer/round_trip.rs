//! What is exported is imported again unchanged.

use hotshelf_domain::{Price, Product, ProductDraft};
use hotshelf_formats::{ExportFormat, ProductWriter};

use crate::support::read;

const NASTY: [&str; 28] = [
    "",
    " ",
    "  ",
    "\"",
    "\"\"",
    "'",
    ",",
    ";",
    "\t",
    "\n",
    "\r",
    "\r\n",
    "\n\n",
    "=1+1",
    "+1",
    "-1",
    "@x",
    "\\",
    "\\n",
    "\\\"",
    "😀",
    "é\u{301}",
    "\u{feff}",
    "\u{2028}",
    "null",
    "<b>&amp;</b>",
    "{",
    "word",
];

/// A small generator of its own, so that a failure comes again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }

    fn text(&mut self) -> String {
        (0..self.below(6)).map(|_| NASTY[self.below(NASTY.len())]).collect()
    }
}

fn product(name: &str, description: &str, price: i64, stock: i64, category: &str) -> Product {
    let json = r#"{"id": 1, "name": "x", "description": "", "price": 1, "stock": 0, "category": "",
                   "organization_id": 1, "schema_id": 1, "version": 1,
                   "created_at": "2026-01-15T10:30:00Z", "updated_at": "2026-01-15T10:30:00Z"}"#;
    Product {
        // As every stored name is, never empty and without white space around it.
        name: format!("n{name}n"),
        description: description.to_owned(),
        price: Price::from_minor_units(price).expect("a price"),
        stock,
        category: category.to_owned(),
        ..serde_json::from_str(json).expect("a product")
    }
}

fn assert_comes_back(products: &[Product], format: ExportFormat) {
    let mut writer = ProductWriter::new(Vec::new(), format).expect("memory");
    for product in products {
        writer.write(product).expect("memory");
    }
    let file = writer.finish().expect("memory");
    let rows = read(&file, format.into());
    assert_eq!(rows.len(), products.len());
    for (row, product) in rows.into_iter().zip(products) {
        let draft = ProductDraft {
            name: Some(product.name.clone()),
            description: Some(product.description.clone()),
            price: Some(product.price.to_string()),
            stock: Some(product.stock),
            category: Some(product.category.clone()),
            ..ProductDraft::default()
        };
        assert_eq!(row.map(|row| row.product), Ok(draft.into_new().expect("valid")), "{format}: {product:?}");
    }
}

#[test]
fn each_nasty_text_in_each_field() {
    let products: Vec<Product> = NASTY.iter().map(|text| product(text, text, 1, 0, text)).collect();
    for format in [ExportFormat::Csv, ExportFormat::JsonLines] {
        assert_comes_back(&products, format);
    }
}

#[test]
fn nasty_texts_in_any_combination() {
    let mut dice = Dice(0x5EED_CAFE);
    let products: Vec<Product> = (0..3_000)
        .map(|_| {
            let price = 1 + dice.below(100_000_000_000) as i64;
            let stock = [0, 7, i64::MAX][dice.below(3)];
            product(&dice.text(), &dice.text(), price, stock, &dice.text())
        })
        .collect();
    for format in [ExportFormat::Csv, ExportFormat::JsonLines] {
        assert_comes_back(&products, format);
        // Alone, so that the first and the last bytes of the file take their turns, too.
        for product in &products[..300] {
            assert_comes_back(std::slice::from_ref(product), format);
        }
    }
}

#[test]
fn the_files_look_as_documented() {
    let cup = product("", "red, blue", 450, 3, "");
    let written = |format| {
        let mut writer = ProductWriter::new(Vec::new(), format).expect("memory");
        writer.write(&cup).expect("memory");
        String::from_utf8(writer.finish().expect("memory")).expect("text")
    };
    assert_eq!(written(ExportFormat::Csv), "name,description,price,stock,category\nnn,\"red, blue\",4.5,3,\n");
    assert_eq!(
        written(ExportFormat::JsonLines),
        "{\"name\":\"nn\",\"description\":\"red, blue\",\"price\":4.5,\"stock\":3,\"category\":\"\"}\n"
    );
}
