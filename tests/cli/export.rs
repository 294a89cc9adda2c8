use crate::Shop;

const NASTY: &str = "{\"name\":\"Cup \\\"XL\\\", white\",\"description\":\"  first line\\nsecond; line\\r\\n=1+1 \",\"price\":4.5,\"stock\":12,\"category\":\"Küche 🍵\"}\n\
    {\"name\":\"Plate\",\"description\":\"\",\"price\":1000000000,\"stock\":0,\"category\":\"\"}\n";

#[test]
fn an_exported_file_is_imported_unchanged() {
    let first = Shop::new();
    first.file("p.jsonl", NASTY).run(&["import", "--strict", "p.jsonl"]).expect(0);
    for name in ["all.csv", "all.jsonl"] {
        let outcome = first.run(&["export", name]).expect(0);
        assert_eq!(outcome.err, format!("hotshelf: 2 products exported to {name}\n"));
        let second = Shop::new();
        second.file(name, &first.read(name)).run(&["import", "--strict", name]).expect(0);
        second.run(&["export", "again.jsonl"]).expect(0);
        assert_eq!(second.read("again.jsonl"), NASTY, "by way of {name}");
    }
}

#[test]
fn standard_output_has_the_products_and_nothing_else() {
    let shop = Shop::new();
    shop.file("p.jsonl", NASTY).run(&["import", "p.jsonl"]).expect(0);
    assert_eq!(shop.run(&["export", "-", "--format", "jsonl"]).expect(0).out, NASTY);
    let csv = shop.run(&["export", "-", "--format", "csv"]).expect(0).out;
    assert!(csv.starts_with("name,description,price,stock,category\n"), "{csv}");
}

#[test]
fn an_empty_catalogue_is_exported_and_imported() {
    let shop = Shop::new();
    shop.file("none.jsonl", "").run(&["import", "none.jsonl"]).expect(0);
    for name in ["all.csv", "all.jsonl"] {
        shop.run(&["export", name]).expect(0);
        shop.run(&["import", "--strict", name]).expect(0);
    }
}

#[test]
fn an_impossible_export_is_refused_in_one_line() {
    let shop = Shop::new();
    let outcome = shop.run(&["export", "all.csv"]).expect(1);
    assert!(outcome.err.contains("there is no database at ./products.db"), "{outcome:#?}");
    shop.file("none.jsonl", "").run(&["import", "none.jsonl"]).expect(0);
    assert!(shop.run(&["export", "all.txt"]).expect(1).err.contains("--format"));
    assert!(shop.run(&["export", "nowhere/all.csv"]).expect(1).err.contains("cannot write nowhere/all.csv"));
}
