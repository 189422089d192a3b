//! Names of certificates and what they are bound to.

use rcgen::{CertificateParams, DnType, KeyPair, SanType};
use rustls::pki_types::CertificateDer;

use super::names;
use crate::domain::callers::Role::{self, Admin, Operator, Reader};

fn certificate(common: &str, names: Vec<SanType>) -> CertificateDer<'static> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, common);
    params.subject_alt_names = names;
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
}

fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

#[test]
fn a_certificate_is_known_by_its_names_exactly() {
    let uri = SanType::URI("spiffe://shop/orders".try_into().unwrap());
    let mail = SanType::Rfc822Name("ops@shop.example".try_into().unwrap());
    let all = certificate("orders", vec![mail, dns("orders.shop"), dns("orders"), uri]);
    let bare = certificate("orders", vec![]);
    let roles = |pairs: &[(&str, Role)]| {
        pairs.iter().map(|(name, role)| ((*name).to_owned(), *role)).collect::<Vec<_>>()
    };
    for (certificate, bound, name, role) in [
        (&all, &[][..], "spiffe://shop/orders", None),
        (&all, &[("orders.shop", Operator)], "orders.shop", Some(Operator)),
        (&all, &[("ops@shop.example", Reader)], "ops@shop.example", Some(Reader)),
        (&all, &[("spiffe://shop/orders", Reader), ("orders", Admin)], "orders", Some(Admin)),
        // Exactly: neither in another case, nor with a wildcard, nor by a part of it.
        (
            &all,
            &[("ORDERS.SHOP", Admin), ("*.shop", Admin), ("spiffe://shop", Admin)],
            "spiffe://shop/orders",
            None,
        ),
        (&bare, &[("orders", Operator)], "orders", Some(Operator)),
    ] {
        let peer = names::peer(certificate, &roles(bound));
        assert!(peer.as_ref().is_some_and(|peer| peer.not_after.is_some()), "{peer:?}");
        assert_eq!(peer.map(|peer| (peer.name, peer.role)), Some((name.to_owned(), role)), "{bound:?}");
    }
    // The common name of a certificate that has other names is nobody's.
    let other = certificate("orders", vec![dns("stock.shop")]);
    assert_eq!(names::peer(&other, &roles(&[("orders", Admin)])).unwrap().role, None);
}
