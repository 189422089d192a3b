//! The words the catalogue is made of: product groups with their price ranges, brands, reasons.

/// A product group of the supplier.
pub(super) struct Group {
    pub(super) name: &'static str,
    /// The first two letters of the codes in this group.
    pub(super) prefix: &'static [u8; 2],
    pub(super) series: &'static [&'static str],
    /// Supply prices in yuan, from and below.
    pub(super) price: (u64, u64),
}

pub(super) const GROUPS: &[Group] = &[
    Group { name: "电热水器", prefix: b"GA", series: &["EC", "ES", "CEH"], price: (500, 4_000) },
    Group { name: "燃气热水器", prefix: b"GB", series: &["JSQ", "CTE"], price: (900, 6_000) },
    Group { name: "冰箱", prefix: b"BH", series: &["BCD-", "BC-"], price: (900, 16_000) },
    Group { name: "冷柜", prefix: b"BD", series: &["BC/BD-", "SC-"], price: (600, 5_000) },
    Group { name: "酒柜", prefix: b"BW", series: &["WS", "LC-"], price: (1_500, 12_000) },
    Group { name: "洗衣机", prefix: b"CE", series: &["XQG", "EG", "G"], price: (700, 11_000) },
    Group { name: "干衣机", prefix: b"CD", series: &["GDNE", "HGY"], price: (1_800, 12_000) },
    Group { name: "家用空调", prefix: b"AA", series: &["KFR-", "KFRd-"], price: (1_500, 13_000) },
    Group { name: "商用空调", prefix: b"AC", series: &["RFC", "KFRd-"], price: (4_000, 30_000) },
    Group { name: "油烟机", prefix: b"FA", series: &["CXW-", "E9"], price: (800, 7_000) },
    Group { name: "燃气灶", prefix: b"FB", series: &["JZT-Q", "JZY-"], price: (400, 3_500) },
    Group { name: "消毒柜", prefix: b"FC", series: &["ZQD", "ZTD"], price: (600, 3_000) },
    Group { name: "洗碗机", prefix: b"FD", series: &["EYW", "EW"], price: (2_000, 11_000) },
    Group { name: "净水机", prefix: b"HJ", series: &["HKC", "HRO"], price: (600, 6_000) },
    Group { name: "彩电", prefix: b"DH", series: &["LU", "H"], price: (1_000, 15_000) },
    Group { name: "小家电", prefix: b"SJ", series: &["HB-", "HYZ"], price: (60, 1_500) },
];

pub(super) const BRANDS: &[&str] = &["海尔", "海尔", "海尔", "卡萨帝", "统帅", "小超人"];

pub(super) const UNSOLD_REASONS: &[&str] = &["商品暂不可采", "商品已下市", "该渠道无采购权限"];
