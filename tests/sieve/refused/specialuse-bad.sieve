require ["special-use", "fileinto"];
fileinto :specialuse "Junk mail" "Spam";
