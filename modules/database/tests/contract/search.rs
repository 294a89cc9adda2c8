use hotshelf_domain::{Filter, Order, OrganizationId, ProductDraft};

use crate::adapter::Adapter;
use crate::plain::list;
use crate::shop::{Shop, named, searched};

pub(crate) async fn words_are_found_by_their_beginning_whatever_their_case_and_accents(adapter: Adapter) {
    let shop = Shop::new(adapter).await;
    shop.create(["Crème brûlée set", "CREMEDOR", "Brulee torch", "Kre\u{301}me"].map(named).to_vec()).await;
    for (text, expected) in [
        ("creme", vec![1, 2]),
        ("CRÈME", vec![1, 2]),
        ("cre\u{300}me", vec![1, 2]),
        ("brulee", vec![1, 3]),
        ("brû set", vec![1]),
        ("kreme", vec![4]),
        ("rulee", vec![]),
        ("creme torch", vec![]),
    ] {
        assert_eq!(shop.found(text).await, expected, "{text}");
    }
}

pub(crate) async fn operators_are_nothing_but_text(adapter: Adapter) {
    let shop = Shop::new(adapter).await;
    let names = ["Cup NEAR the plate", "Cup OR plate", "name colon", "o1 s1", "Wi-Fi 6"];
    shop.create(names.map(named).to_vec()).await;
    for (text, expected) in [
        ("\"cup", vec![1, 2]),
        ("cup*", vec![1, 2]),
        ("NEAR(cup plate)", vec![1]),
        ("cup OR near", vec![]),
        ("-cup", vec![1, 2]),
        ("^cup + plate", vec![1, 2]),
        ("name:colon", vec![3]),
        ("name : (\"colon\")", vec![3]),
        ("{name} : colon", vec![3]),
        ("cup AND plate", vec![]),
        ("cup NOT plate", vec![]),
        ("o1", vec![4]),
        ("wi-fi", vec![5]),
        ("fi wi", vec![5]),
        ("';DROP TABLE products;--", vec![]),
        ("\"\"", vec![]),
        ("***", vec![]),
        ("()", vec![]),
        ("\0cup\0", vec![1, 2]),
        ("%_", vec![]),
        ("हिन्दी", vec![]),
        ("\u{903}", vec![]),
    ] {
        assert_eq!(shop.found(text).await, expected, "{text:?}");
    }
}

pub(crate) async fn the_scope_of_a_search_is_exact(adapter: Adapter) {
    let shop = Shop::new(adapter).await;
    for number in 2..=22 {
        shop.organization(&number.to_string()).await;
    }
    let cup = |organization, category: &str| ProductDraft {
        organization_id: Some(organization),
        category: Some(category.to_owned()),
        ..named("Cup")
    };
    shop.create(vec![cup(2, "A"), cup(22, "AB"), named("Cup"), named("Other")]).await;
    let of = async |filter: Filter| {
        let filter = Filter { search: searched("cup"), ..filter };
        shop.walk(&filter, Order::default(), 10).await.into_iter().map(|id| id.get()).collect::<Vec<_>>()
    };
    assert_eq!(of(Filter::of_organization(OrganizationId::new(2).unwrap())).await, [1]);
    assert_eq!(of(Filter::of_organization(OrganizationId::new(22).unwrap())).await, [2]);
    for (category, expected) in [("A", vec![1]), ("AB", vec![2]), ("a", vec![]), ("", vec![3])] {
        assert_eq!(of(Filter { category: Some(category.to_owned()), ..Filter::default() }).await, expected);
    }
}

#[tokio::test]
async fn the_index_follows_texts_and_deletes_and_nothing_else_touches_it() {
    let shop = Shop::new(Adapter::Sqlite).await;
    let ids = shop.create(["Red cup", "Blue cup", "Green cup"].map(named).to_vec()).await;
    let renamed = |name: &str| ProductDraft { name: Some(name.to_owned()), ..ProductDraft::default() };
    shop.update(ids[0], renamed("Yellow plate")).await;
    shop.update(ids[1], ProductDraft { category: Some("Dishes".to_owned()), ..ProductDraft::default() }).await;
    shop.delete(ids[2]).await;
    for (text, expected) in
        [("cup", vec![2]), ("red", vec![]), ("yellow", vec![1]), ("dishes", vec![2]), ("green", vec![])]
    {
        assert_eq!(shop.found(text).await, expected, "{text}");
    }
    // Writes that meet in one commit come out as if they had come one after the other.
    let (first, second) = tokio::join!(shop.create(vec![named("Mug")]), shop.update(ids[0], renamed("Saucer")));
    let ((), ()) = tokio::join!(shop.update(first[0], renamed("Beaker")), shop.delete(ids[1]));
    let () = second;
    assert_eq!((shop.found("mug").await, shop.found("beaker").await), (vec![], vec![first[0].get()]));
    assert_eq!((shop.found("cup").await, shop.found("saucer").await), (vec![], vec![1]));

    let state = || {
        use diesel::prelude::*;
        let blocks = "SELECT count(*) * 1000000 + sum(length(block)) AS id FROM product_search_data";
        diesel::dsl::sql::<diesel::sql_types::BigInt>(blocks).get_result::<i64>(&mut shop.storage.connection()).unwrap()
    };
    let before = state();
    let changed = ProductDraft { stock: Some(9), price: Some("3".to_owned()), ..renamed("Saucer") };
    shop.update(ids[0], changed).await;
    assert_eq!(state(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn searches_find_what_a_plain_comparison_finds_through_random_writes() {
    let mut shop = Shop::stocked(Adapter::Sqlite, 300).await;
    for round in 0..30 {
        for _ in 0..5 {
            let (all, draft) = (shop.all().await, shop.draft());
            let ids: Vec<_> = all.iter().map(|product| product.id).collect();
            let id = shop.pick(&ids);
            match shop.pick(&[0, 1, 2]) {
                0 => shop.update(id, draft).await,
                1 => shop.delete(id).await,
                _ => drop(shop.create(vec![draft]).await),
            }
        }
        let all = shop.all().await;
        for text in
            ["red", "REDWOOD", "brulee creme", "usb", "c", "naive blue", "obsidian", "mobel", "cup plates", "50"]
        {
            let filter = Filter { search: searched(text), ..Filter::default() };
            let found = shop.walk(&filter, Order::default(), 40).await;
            assert_eq!(found, list(&all, &filter, Order::default()), "round {round}: {text}");
        }
    }
    let checked = "INSERT INTO product_search (product_search) VALUES ('integrity-check')";
    shop.storage.outsider(checked);
}

pub(crate) async fn words_of_every_script_are_found(adapter: Adapter) {
    let shop = Shop::new(adapter).await;
    let names = [
        "Ελληνικός Καφές",
        "Ёлка зелёная",
        "قَهْوَة عَرَبِيّة",
        "שָׁלוֹם",
        "东京都无线耳机",
        "ワイヤレスイヤホン ｶﾞｽ",
        "무선 노트북",
        "กาแฟเย็น",
        "हिन्दी किताब",
        "Straße ﬁne İstanbul",
        "Cup ☕ 👍🏽",
        "Pump AB-12.34/X",
    ];
    shop.create(names.map(named).to_vec()).await;
    for (index, name) in names.iter().enumerate() {
        assert_eq!(shop.found(name).await, [index as i64 + 1], "{name}");
    }
    for (text, expected) in [
        ("ΕΛΛΗΝΙΚΟΣ", 1),
        ("елка", 2),
        ("قهوه", 3),
        ("שלומ", 4),
        ("京都", 5),
        ("ｲﾔﾎﾝ ガス", 6),
        ("노트", 7),
        ("เย็น", 8),
        ("किता", 9),
        ("STRASSE fine istan", 10),
        ("☕", 11),
        ("👍", 11),
        ("ab1234x", 12),
        ("12.34", 12),
        ("AB-12", 12),
        ("34x", 12),
    ] {
        assert_eq!(shop.found(text).await, [expected], "{text}");
    }
}

pub(crate) async fn names_of_every_script_are_in_one_order_through_cursors_and_several_organizations(adapter: Adapter) {
    let shop = Shop::new(adapter).await;
    let ordered = [
        "_under",
        "10",
        "2",
        "a",
        "Apfel",
        "äpfel",
        "Äpfel",
        "Apfelmus",
        "Straße",
        "Zebra",
        "ωμέγα",
        "Ωμέγα",
        "елка",
        "ёлка",
        "Ёлка",
        "שלום",
        "قهوة",
        "กาแฟ",
        "가방",
        "がっこう",
        "コーヒー",
        "ランプ",
        "东京",
        "电灯",
    ];
    let mut mixed: Vec<(usize, &str)> = ordered.into_iter().enumerate().collect();
    mixed.sort_by_key(|(place, _)| (place * 7) % ordered.len());
    shop.organization("Two").await;
    let drafts = mixed.iter().enumerate().map(|(index, (_, name))| {
        let organization_id = Some(if index % 3 == 2 { 2 } else { 1 });
        ProductDraft { organization_id, ..named(name) }
    });
    let ids = shop.create(drafts.collect()).await;
    let name_of = |id| mixed[ids.iter().position(|known| *known == id).unwrap()].1;
    for limit in [1, 3, 100] {
        for descending in [false, true] {
            let order = Order { by: hotshelf_domain::OrderBy::Name, descending };
            let mut walked: Vec<_> =
                shop.walk(&Filter::default(), order, limit).await.into_iter().map(name_of).collect();
            if descending {
                walked.reverse();
            }
            assert_eq!(walked, ordered, "{limit} a page, descending: {descending}");
        }
    }
}

#[tokio::test]
async fn a_name_that_was_changed_by_hand_gets_its_place_with_the_next_commit() {
    let shop = Shop::new(Adapter::Sqlite).await;
    shop.create(["b", "c", "d"].map(named).to_vec()).await;
    shop.storage.outsider("UPDATE products SET name = 'z' WHERE id = 1");
    shop.create(vec![named("a")]).await;
    let order = Order { by: hotshelf_domain::OrderBy::Name, descending: false };
    let ids: Vec<_> = shop.walk(&Filter::default(), order, 2).await.into_iter().map(|id| id.get()).collect();
    assert_eq!((ids, shop.found("z").await), (vec![4, 2, 3, 1], vec![1]));
}

#[tokio::test]
async fn what_would_take_too_long_is_refused_and_says_what_to_do() {
    let shop = Shop::new(Adapter::Sqlite).await;
    shop.storage.outsider(
        "WITH RECURSIVE n (i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
         INSERT INTO organizations (id, name, created_at) SELECT i, 'O' || i, 0 FROM n;
         INSERT INTO products SELECT NULL, 'a b c d e f g h i j k l', '', 100, 1, '', id, 1, 1, 0, 0, NULL, x'' FROM organizations;",
    );
    shop.create(vec![named("Other")]).await;
    let search = |text: &str, organization| Filter { search: searched(text), organization, ..Filter::default() };
    let everything = search("a b c d e f g h i j k l", None);
    let request = hotshelf_domain::PageRequest { filter: everything.clone(), limit: 5, ..Default::default() };
    for error in [
        shop.products.page_ids(request.clone()).await.unwrap_err(),
        shop.products.page(request).await.unwrap_err(),
        shop.products.count(everything.clone()).await.unwrap_err(),
    ] {
        let hotshelf_domain::StoreError::Invalid(invalid) = &error else { panic!("{error:?}") };
        assert_eq!(invalid.0.iter().next().unwrap().field, "search");
        assert!(error.changed_nothing() && invalid.to_string().contains("name an organization"), "{invalid}");
    }
    let one = OrganizationId::new(7);
    assert_eq!(shop.products.count(search("a b c d e f g h i j k l", one)).await.unwrap(), 1);
    assert_eq!(shop.products.count(search("a", None)).await.unwrap(), 300);
    assert_eq!(shop.walk(&search("a b", None), Order::default(), 7).await.len(), 300);
}

/// Names of letters, marks, punctuation and symbols of all kinds, as the database splits them.
pub(crate) async fn a_product_is_found_by_its_name_whatever_it_is(adapter: Adapter) {
    use rand::RngExt;
    const PARTS: &str = "aBéßİςΣЙأةשिनかｶー東京한ที្่☕👩🍳🇩🇪-./' (½ﷺ٣+$|~^`<=>_#\"*:{}!\u{301}\u{200d}\u{fe0f}\u{3099}";
    let mut shop = Shop::new(adapter).await;
    let parts: Vec<char> = PARTS.chars().collect();
    let mut names: Vec<String> = Vec::new();
    while names.len() < 400 {
        let length = shop.random.random_range(1..24);
        let any = |shop: &mut Shop| char::from_u32(shop.random.random_range(1..0x30000)).unwrap_or('x');
        let name: String = (0..length).map(|n| if n % 5 == 4 { any(&mut shop) } else { shop.pick(&parts) }).collect();
        if !name.trim().is_empty() && !name.contains('\0') {
            names.push(name);
        }
    }
    let han: String = (0..65).filter_map(|n| char::from_u32(0x4e00 + 7 * n)).collect();
    names.extend([han, "a-b-c-d-e-f-g-h-i-j-k-l".to_owned(), "x1".repeat(100)]);
    let ids = shop.create(names.iter().map(|name| named(name)).collect()).await;
    for (id, name) in ids.iter().zip(&names) {
        let Ok(Some(search)) = hotshelf_domain::Search::parse(name) else { continue };
        if !search.as_str().is_empty() {
            let found = shop.found(name).await;
            assert!(found.contains(&id.get()), "{name:?} as {search}");
        }
    }
}
