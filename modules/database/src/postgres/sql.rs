//! Statements in SQL that connections keep prepared. Those of `diesel::sql_query` they parse each time.

/// Defines a statement: a type with a field for each `?` in the text, in their order, and its result, if it has one.
macro_rules! statement {
    (@query $name:ident) => {};
    (@query $name:ident $result:ty) => {
        impl diesel::query_builder::Query for $name {
            type SqlType = $result;
        }
    };
    (
        $(#[$comment:meta])*
        $name:ident { $($field:ident: $sql_type:ty = $rust_type:ty),* } $(-> $result:ty)?;
        $sql:expr
    ) => {
        $(#[$comment])*
        #[derive(diesel::query_builder::QueryId)]
        struct $name {
            $($field: $rust_type),*
        }

        impl diesel::query_builder::QueryFragment<diesel::pg::Pg> for $name {
            fn walk_ast<'b>(
                &'b self,
                mut out: diesel::query_builder::AstPass<'_, 'b, diesel::pg::Pg>,
            ) -> diesel::QueryResult<()> {
                let mut parts = $sql.split('?');
                out.push_sql(parts.next().unwrap_or_default());
                $(
                    out.push_bind_param::<$sql_type, _>(&self.$field)?;
                    out.push_sql(parts.next().unwrap_or_default());
                )*
                // Unused where there is no field.
                let _ = parts;
                Ok(())
            }
        }

        impl diesel::query_dsl::RunQueryDsl<$crate::postgres::connection::Connection> for $name {}
        statement!(@query $name $($result)?);
    };
}

pub(super) use statement;
