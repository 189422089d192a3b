//! An account to fill in, as variables.

use crate::domain::accounts::{Field, Preset};

/// The template of one of Haier's environments.
pub(super) fn of(preset: Preset) -> String {
    let name = preset.as_str();
    let mut text = format!(
        "# An account at Haier's {name} environment. Fill in what stands empty; lines with # have defaults. Then\n\
         #   haier-integration config create NAME FILE\n\
         # stores it with its secrets encrypted. Or set the variables for `haier-integration serve`.\n\n\
         # The open platform (海尔开放平台): products, prices, stock, logistics, balance.\n"
    );
    for field in Field::ALL.iter().copied().filter(|field| !field.is_of_ylh()) {
        text.push_str(&line(field, preset));
    }
    text.push_str(
        "\n# The order system (YLH, 易理货). For orders fill in all of it; without orders delete it down to the end.\n",
    );
    for field in Field::ALL.iter().copied().filter(|field| field.is_of_ylh()) {
        text.push_str(&line(field, preset));
    }
    text
}

fn line(field: Field, preset: Preset) -> String {
    let (variable, hint) = (field.variable(), hint(field));
    let given = match field {
        Field::BaseUrl => Some(preset.base_url()),
        Field::YlhBaseUrl => Some(preset.ylh_base_url()),
        Field::YlhServiceSuffix => Some(preset.ylh_service_suffix()).filter(|suffix| !suffix.is_empty()),
        _ => None,
    };
    match given {
        Some(value) => format!("# {hint}\n{variable}={value}\n"),
        None if field.is_required() => format!("# {hint}\n{variable}=\n"),
        None => format!("# {hint}\n#{variable}=\n"),
    }
}

const fn hint(field: Field) -> &'static str {
    match field {
        Field::ClientId => "client id of the open platform",
        Field::ClientSecret => "client secret of the open platform",
        Field::BaseUrl => "address of the open platform",
        Field::TokenUrl => "default: /oauth2/auth below the address",
        Field::CustomerCode => "customer code (售达方, 客户八码), such as 8800000001",
        Field::SendToCode => "ship-to code (送达方); default: the customer code",
        Field::SupplierCode => "default: 1001, Haier itself",
        Field::Password => "password of product and price calls",
        Field::SellerPassword => "password of stock and logistics calls",
        Field::CustomerPassword => "password of the balance; default: the one of product and price calls",
        Field::AuthorizationScheme => "how the token is sent: bare or bearer; default: bare",
        Field::YlhBaseUrl => "address of the order system",
        Field::YlhServiceSuffix => {
            "what the names of its services end in; default: nothing, as in production"
        }
        Field::YlhAuthUrl => "default: the token endpoint below the address",
        Field::YlhUsername => "user",
        Field::YlhPassword => "the user's password",
        Field::YlhClientId => "client id of the order system",
        Field::YlhClientSecret => "client secret of the order system",
        Field::YlhSourceSystem => "the ordering system's name as agreed with Haier",
        Field::YlhShopName => "name of the shop, such as XX旗舰店",
        Field::YlhCallbackAppKey => "AppKey of Haier's callbacks",
        Field::YlhCallbackSecret => "what Haier signs callbacks with",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cli::haier_configs::document, config::account_from_env};

    #[test]
    fn a_template_that_is_filled_in_is_an_account() {
        for preset in Preset::ALL {
            let template = of(preset);
            for field in Field::ALL {
                assert!(template.contains(&format!("{}=", field.variable())), "{field:?}");
            }
            let filled: String = template
                .lines()
                .map(|line| {
                    if line.ends_with('=') && !line.starts_with('#') {
                        format!("{line}x\n")
                    } else {
                        format!("{line}\n")
                    }
                })
                .collect();
            let given = document::parse(&filled).unwrap().remove(0);
            assert_eq!(given.config.base_url, preset.base_url());
            let lookup = |name: &str| {
                let start = format!("{name}=");
                filled.lines().find_map(|line| line.strip_prefix(&start)).map(str::to_owned)
            };
            let account = account_from_env(lookup, false).unwrap().unwrap();
            let ylh = account.ylh.unwrap();
            assert_eq!(
                (ylh.base_url.as_str(), ylh.service_suffix.as_str()),
                (preset.ylh_base_url(), preset.ylh_service_suffix())
            );
        }
    }
}
