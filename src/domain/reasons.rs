//! The one closed list of reasons: in failures of codes, ends of runs and answers to callers the same word means the same.

use super::words::words;

words! {
    /// Why a code failed, a run ended or a call was refused.
    pub enum Reason {
        /// Haier refused our credentials, or a token twice in a row.
        AuthFailed = "AUTH_FAILED", "认证失败", "authentication failed";
        /// No answer in time.
        RequestTimeout = "REQUEST_TIMEOUT", "请求超时", "request timed out";
        /// No connection to Haier, or one that broke before the answer was whole.
        ConnectionFailed = "CONNECTION_FAILED", "连接中断", "connection failed";
        /// Haier throttled us.
        RateLimited = "RATE_LIMITED", "请求过于频繁", "rate limited";
        /// Haier had a fault of its own.
        ServerError = "SERVER_ERROR", "上游服务器错误", "upstream server error";
        /// No right, or our address is not on Haier's allow list; also an interface that is not there.
        Forbidden = "FORBIDDEN", "无权访问", "access forbidden";
        /// Haier called our request bad.
        ValidationError = "VALIDATION_ERROR", "数据验证错误", "validation error";
        /// Haier does not know the code.
        UnknownCode = "UNKNOWN_CODE", "未知产品编码", "unknown product code";
        /// Haier answered nothing for a whole batch.
        EmptyAnswer = "EMPTY_ANSWER", "返回空数据", "empty answer";
        /// Haier's answer, or this record of it, cannot be read.
        MalformedAnswer = "MALFORMED_ANSWER", "数据格式错误", "malformed answer";
        /// An amount with more than four decimals: failed rather than rounded.
        PricePrecision = "PRICE_PRECISION", "价格精度超限", "price precision exceeded";
        /// A request is larger than is taken.
        MessageTooLarge = "MESSAGE_TOO_LARGE", "请求过大", "message too large";
        /// Nothing of this name is served, or not encoded like this.
        Unimplemented = "UNIMPLEMENTED", "不支持的调用", "not implemented";
        /// The database refused the record.
        Constraint = "CONSTRAINT", "数据库约束冲突", "database constraint";
        /// A person cancelled the run.
        Cancelled = "CANCELLED", "已取消", "cancelled";
        /// The run did what was planned.
        Completed = "COMPLETED", "已完成", "completed";
        /// It found more than it may change by itself; a person decides.
        Held = "HELD", "待确认", "held for approval";
        /// A later answer of Haier's says something else than what was approved.
        Overtaken = "OVERTAKEN", "已被更新", "overtaken by a later answer";
        /// A comparison found something else stored than Haier says.
        Differs = "DIFFERS", "与海尔不一致", "differs from Haier";
        /// The listing held nothing at all.
        EmptyListing = "EMPTY_LISTING", "商品目录为空", "empty listing";
        /// The listing ended before its end.
        ListingCut = "LISTING_CUT", "商品目录中断", "listing cut short";
        /// Its workers went away one after the other without committing a batch.
        WorkerLost = "WORKER_LOST", "执行进程丢失", "worker lost";
        /// Haier was down for longer than a run waits.
        UpstreamDown = "UPSTREAM_DOWN", "上游不可用", "upstream down";
        /// The thing asked for does not exist.
        NotFound = "NOT_FOUND", "未找到", "not found";
        /// Nothing to repeat: the run is still open, or none of its codes failed.
        NothingToRetry = "NOTHING_TO_RETRY", "无可重试项", "nothing to retry";
        /// The run is not held, or not any more.
        NotHeld = "NOT_HELD", "不在待确认状态", "not held";
        /// Entries of a feed after the reader's cursor are not kept any more.
        CursorExpired = "CURSOR_EXPIRED", "游标已过期", "cursor expired";
        /// A reader of a feed took too long over what it was sent.
        SlowReader = "SLOW_READER", "读取过慢", "slow reader";
        /// A run over everything is under way already.
        RunInProgress = "RUN_IN_PROGRESS", "同步正在进行", "run in progress";
        /// No token, or none that opens.
        Unauthenticated = "UNAUTHENTICATED", "身份未验证", "unauthenticated";
        /// The caller's role is too small.
        PermissionDenied = "PERMISSION_DENIED", "权限不足", "permission denied";
        /// Nobody could make a token any more.
        LastAdmin = "LAST_ADMIN", "最后一个管理员令牌", "last admin token";
        /// Haier refused an order, or a change of one.
        OrderRefused = "ORDER_REFUSED", "订单被拒绝", "order refused";
        /// Haier has an order of this `soId` already, and not from here.
        OrderRepeated = "ORDER_REPEATED", "订单重复", "order repeated";
        /// Another order of the same `so_id` is stored.
        OrderConflict = "ORDER_CONFLICT", "订单内容冲突", "order conflict";
        /// Where the order stands it cannot be done.
        OrderState = "ORDER_STATE", "订单状态不允许", "not in this state";
        /// Haier's number of an order is not known, and what is wanted needs it.
        NumberUnknown = "NUMBER_UNKNOWN", "海尔单号未知", "order number unknown";
        /// Not sent any more after its deadline.
        GivenUp = "GIVEN_UP", "已放弃", "given up";
        /// There is one of this name already.
        AlreadyExists = "ALREADY_EXISTS", "已存在", "already exists";
        /// It was changed since it was read.
        EtagMismatch = "ETAG_MISMATCH", "版本不一致", "etag mismatch";
        /// The account is the one in use.
        AccountActive = "ACCOUNT_ACTIVE", "账户正在使用", "account is active";
        /// No upstream account.
        NotConfigured = "NOT_CONFIGURED", "未配置账户", "not configured";
        /// The account of this name leads to another place or customer than the one that an order was sent to.
        OtherPlace = "OTHER_PLACE", "账号已指向其他系统或客户", "another place or customer";
        /// The database was restored from a backup, and nobody has reconciled the orders since.
        OrdersFrozen = "ORDERS_FROZEN", "订单已冻结", "orders frozen";
        /// No key to seal or open secrets with, or not the one that sealed them.
        NoKey = "NO_KEY", "缺少密钥", "no key";
        /// No call to Haier was free within the caller's deadline.
        BudgetExhausted = "BUDGET_EXHAUSTED", "调用额度不足", "budget exhausted";
        /// An operator holds back calls to Haier.
        Paused = "PAUSED", "已暂停", "paused";
        /// Haier was down several times in a row and is left alone for a while.
        BreakerOpen = "BREAKER_OPEN", "熔断保护", "circuit breaker open";
        /// Our database does not answer.
        StoreUnavailable = "STORE_UNAVAILABLE", "数据库不可用", "store unavailable";
        /// This process is going down; another one, or the next start, goes on.
        ShuttingDown = "SHUTTING_DOWN", "服务正在关闭", "shutting down";
        /// A defect of ours.
        Internal = "INTERNAL", "内部错误", "internal error";
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
