//! Settings with no counterpart, and why.

use super::super::Work;
use super::super::source::Node;

const LOGS: &str = "Pointsman writes its own log; it calls no such service";
const DATABASE: &str = "Pointsman keeps no database";
const REDIS: &str = "each gateway counts for itself";
const HEALTH: &str = "Pointsman puts failing models aside by its own rules, and asks them last";
const ACCOUNTS: &str = "clients are known by `keys:` in pointsman.yaml";

/// Settings with no counterpart, and why.
const ELSEWHERE: &[(&str, &str)] = &[
    ("allowed_fails", HEALTH),
    ("allowed_fails_policy", HEALTH),
    ("cooldown_time", HEALTH),
    ("disable_cooldowns", HEALTH),
    ("background_health_checks", HEALTH),
    ("health_check_interval", HEALTH),
    ("health_check_details", HEALTH),
    ("optional_pre_call_checks", "use `sticky`, `budget` and conditions"),
    ("routing_strategy_args", "strategies have no arguments here"),
    ("model_group_retry_policy", "use `retry` in the group's route"),
    ("max_fallbacks", "all models of `fallback` are asked in turn, within `timeout total`"),
    ("default_litellm_params", "use `set` in `defaults`"),
    ("default_max_parallel_requests", "use `limit NAME 40 concurrent per key.team else queue 15s`"),
    ("max_parallel_requests", "use `limit NAME 40 concurrent per key.team else queue 15s`"),
    ("global_max_parallel_requests", "use `limits.max_connections` in pointsman.yaml"),
    ("redis_host", REDIS),
    ("redis_port", REDIS),
    ("redis_password", REDIS),
    ("redis_url", REDIS),
    ("redis_db", REDIS),
    ("redis_ssl", REDIS),
    ("use_redis_transaction_buffer", REDIS),
    ("callbacks", LOGS),
    ("success_callback", LOGS),
    ("failure_callback", LOGS),
    ("service_callbacks", LOGS),
    ("audit_log_callbacks", LOGS),
    ("langfuse_default_tags", LOGS),
    ("redact_user_api_key_info", LOGS),
    ("turn_off_message_logging", "bodies are not logged unless a policy says `log bodies`"),
    ("set_verbose", "use `log.level` in pointsman.yaml"),
    ("debug_level", "use `log.level` in pointsman.yaml"),
    ("detailed_debug", "use `log.level` in pointsman.yaml"),
    ("json_logs", "use `log.format: json` in pointsman.yaml"),
    ("telemetry", "Pointsman sends none"),
    ("alerting", LOGS),
    ("alerting_threshold", LOGS),
    ("alerting_args", LOGS),
    ("alert_types", LOGS),
    ("alert_to_webhook_url", LOGS),
    ("spend_report_frequency", LOGS),
    ("database_url", DATABASE),
    ("database_type", DATABASE),
    ("database_connection_pool_limit", DATABASE),
    ("database_connection_timeout", DATABASE),
    ("store_model_in_db", DATABASE),
    ("store_prompts_in_spend_logs", DATABASE),
    ("disable_spend_logs", DATABASE),
    ("disable_error_logs", DATABASE),
    ("proxy_batch_write_at", DATABASE),
    ("maximum_spend_logs_retention_period", DATABASE),
    ("allow_requests_on_db_unavailable", DATABASE),
    ("disable_prisma_schema_update", DATABASE),
    ("custom_auth", ACCOUNTS),
    ("enable_jwt_auth", ACCOUNTS),
    ("litellm_jwtauth", ACCOUNTS),
    ("default_team_settings", ACCOUNTS),
    ("default_internal_user_params", ACCOUNTS),
    ("default_end_user_params", ACCOUNTS),
    ("default_key_generate_params", ACCOUNTS),
    ("upperbound_key_generate_params", ACCOUNTS),
    ("key_generation_settings", ACCOUNTS),
    (
        "user_header_name",
        "clients say the user with `x-pointsman-user`, or with `user` in the body",
    ),
    ("user_header_mappings", "clients say the user with `x-pointsman-user`"),
    ("extra_spend_tag_headers", "use `tag name = value` in a route"),
    ("ui_access_mode", "Pointsman has no such page"),
    ("allowed_routes", ACCOUNTS),
    ("allowed_ips", "use a `deny` rule on `client.ip`, or the network"),
    ("pass_through_endpoints", "Pointsman passes nothing through unread"),
    ("key_management_system", "secrets come from variables and files: `${NAME}`, `file:PATH`"),
    ("key_management_settings", "secrets come from variables and files: `${NAME}`, `file:PATH`"),
    ("forward_client_headers_to_llm_api", "some headers are passed on, by provider"),
    ("max_request_size_mb", "use `limits.body_bytes` in pointsman.yaml"),
    ("custom_provider_map", "Pointsman has no handlers in Python"),
    ("force_ipv4", "the operating system chooses"),
    ("ssl_verify", "certificates are always checked"),
];

/// Reports the settings of a section that have no counterpart.
pub(super) fn elsewhere(node: &Node<'_>, work: &Work<'_>) {
    for (key, why) in ELSEWHERE {
        if let Some(found) = node.get(key) {
            work.report.drop(&found, format!("`{key}`"), *why);
        }
    }
}

/// Reports whole sections that have no counterpart.
pub(super) fn sections(root: &Node<'_>, work: &Work<'_>) {
    for (key, why) in [
        ("environment_variables", "set them where Pointsman runs; their values are not copied"),
        (
            "guardrails",
            "Pointsman runs no guardrails; `deny` rules look at attributes of the request",
        ),
        ("include", "convert those files as well, and put the results together"),
        ("callback_settings", LOGS),
        ("mcp_servers", "Pointsman is no MCP gateway"),
        ("mcp_tools", "Pointsman is no MCP gateway"),
        ("vector_store_registry", "Pointsman has no vector stores"),
        ("search_tools", "Pointsman searches nothing"),
        ("prompts", "use `prompt prepend file \"…\"` in a route"),
        ("finetune_settings", "Pointsman has conversations and embeddings so far"),
        ("files_settings", "Pointsman has conversations and embeddings so far"),
        ("assistant_settings", "Pointsman has conversations and embeddings so far"),
        ("credential_list", "put the keys into `providers:` of pointsman.yaml"),
    ] {
        if let Some(found) = root.get(key) {
            work.report.drop(&found, format!("`{key}`"), why);
        }
    }
}
