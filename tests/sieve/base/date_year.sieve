require ["date", "relational", "fileinto"];
if date :value "ge" "date" "year" "2015" { fileinto "new"; } elsif date :matches "date" "weekday" "*" { fileinto "old"; }
