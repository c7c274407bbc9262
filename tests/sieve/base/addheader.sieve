require ["editheader", "fileinto"];
addheader "X-A" "b";
if header "x-a" "b" { fileinto "added"; }
