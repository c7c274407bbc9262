require ["variables", "fileinto", "ihave"];
set "n" "1";

if true {
	error "on purpose";
}
