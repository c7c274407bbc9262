require ["variables", "fileinto"];
if header :matches "subject" "* *" { set :lower "w" "${1}"; fileinto "s-${w}"; }
