require ["fileinto", "envelope", "subaddress"];
if envelope :detail "to" "tag" { fileinto "tag"; }
