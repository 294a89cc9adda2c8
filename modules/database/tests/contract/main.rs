//! What every database promises, whatever it is: one suite, run for each adapter. Lists are held against the same
//! lists made the plain way: read everything, filter, sort, cut. What is SQLite's own stands beside it, as plain
//! tests.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "clippy.toml allows them in test functions, but not in their helpers"
)]

mod accounts;
mod adapter;
mod audit;
mod bulk;
mod copying;
mod counters;
mod details;
mod filters;
mod first_version;
mod optimistic;
mod orders;
mod organizations;
mod plain;
mod products;
mod refusals;
mod schemas;
mod search;
mod shop;
mod world;

/// Makes a test of each of these functions, in modules of the same names.
macro_rules! tests {
    ($adapter:expr; $($suite:ident { $($test:ident,)* })*) => {
        $(mod $suite {
            use crate::adapter::Adapter;

            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                crate::$suite::$test($adapter).await;
            })*
        })*
    };
}

/// The suite on one adapter. A function that is not named here is dead code, and does not compile without a warning.
macro_rules! contract {
    ($name:ident, $adapter:expr) => {
        mod $name {
            tests! { $adapter;
                products {
                    what_was_created_is_there_after_reopening,
                    each_change_counts_the_version_and_an_empty_one_does_not,
                    a_lost_race_changes_nothing,
                    a_deleted_product_is_gone_and_its_id_is_never_given_again,
                    pages_follow_offset_and_cursor_and_know_the_total,
                    concurrent_writes_share_commits_and_fail_one_by_one,
                    a_write_whose_caller_goes_away_happens_all_the_same_and_leaves_nothing_open,
                    an_unfenced_write_advances_the_epoch_with_it_and_a_failed_one_does_not,
                    the_epoch_stays_with_the_server_it_belongs_to,
                    after_closing_everything_is_refused,
                }
                details {
                    a_product_is_created_with_its_details,
                    a_product_without_details_has_empty_ones_and_one_that_is_gone_has_none,
                    what_is_given_replaces_and_the_rest_stays,
                    an_image_keeps_its_id_when_it_is_named_and_no_id_is_given_twice,
                    images_of_others_cannot_be_named,
                    any_text_is_kept_as_it_is,
                    any_number_is_kept_as_it_is,
                }
                optimistic {
                    a_write_that_was_overtaken_changes_nothing,
                    a_write_that_has_seen_the_current_version_happens,
                    what_the_client_expects_comes_first,
                    what_was_seen_in_another_history_is_seen_no_more,
                }
                audit {
                    what_happened_is_recorded_and_what_did_not_is_not,
                    who_was_not_let_in_is_found_by_the_address,
                    pages_go_from_the_newest_to_the_oldest,
                    what_is_old_or_too_much_is_forgotten,
                }
                bulk {
                    many_are_created_in_one_go,
                    the_valid_ones_are_created_and_the_others_named,
                    all_or_nothing_names_every_wrong_one_and_stores_none,
                    those_that_exist_are_deleted_together,
                }
                organizations {
                    the_built_in_ones_are_there_from_the_start,
                    organizations_are_found_again,
                    a_product_belongs_to_an_organization_that_exists_and_stays_with_it,
                    a_suspended_one_takes_nobody_in_until_it_is_resumed,
                    one_that_has_ended_is_gone_with_its_users_and_its_products_follow,
                }
                schemas {
                    schemas_are_found_again,
                    a_new_product_fits_its_schema,
                    only_products_of_its_organization_use_a_schema_and_nobody_else_learns_of_it,
                    a_product_changes_its_schema_when_its_details_fit_the_new_one,
                    a_change_that_products_would_not_fit_is_refused_and_says_how_many,
                    products_without_details_do_not_fit_a_schema_that_requires_some,
                    a_schema_counts_its_changes_and_refuses_those_of_another_version,
                }
                accounts {
                    the_hundred_and_first_session_ends_the_oldest_that_lives_and_no_other,
                    no_use_brings_back_what_has_ended,
                    a_reset_ends_the_keys_and_a_session_that_has_ended_makes_none,
                    the_last_use_of_a_key_never_moves_back,
                    the_end_and_the_scopes_of_a_key_are_kept_and_admins_find_it,
                    revocations_are_recorded_once_and_forgotten_in_batches,
                    a_revocation_is_recorded_for_the_organization_of_the_user,
                    a_token_from_before_a_removal_creates_no_user,
                }
                counters {
                    the_report_adds_up,
                    an_empty_catalogue_has_an_empty_report,
                    totals_stay_after_reopening,
                }
                filters {
                    filters_leave_what_they_say_in_every_order,
                    relevance_orders_exactly_what_is_found,
                    a_page_has_its_products_and_their_number,
                    ids_come_in_chunks_that_leave_nothing_out,
                }
                orders {
                    cursors_walk_through_every_order_and_meet_each_product_once,
                    an_offset_skips_as_many_as_it_says,
                    a_place_stays_when_its_product_goes_or_changes,
                    relevance_prefers_the_name_to_the_category_and_the_category_to_the_description,
                    what_nearly_all_have_in_common_goes_by_id,
                }
                refusals {
                    lists_of_nobody_are_refused,
                    pages_that_cannot_be_are_refused,
                }
                search {
                    words_are_found_by_their_beginning_whatever_their_case_and_accents,
                    operators_are_nothing_but_text,
                    the_scope_of_a_search_is_exact,
                    words_of_every_script_are_found,
                    names_of_every_script_are_in_one_order_through_cursors_and_several_organizations,
                    a_product_is_found_by_its_name_whatever_it_is,
                }
            }
        }
    };
}

contract!(sqlite, Adapter::Sqlite);
contract!(postgres, Adapter::Postgres);
