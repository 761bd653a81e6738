//! db
pub(crate) async fn is_dev(_: &sqlx::PgPool) -> sqlx::Result<bool> {
    Ok(false)
}
