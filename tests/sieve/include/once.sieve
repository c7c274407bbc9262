require ["include", "fileinto"];
include :once "sends";
include :once "sends";
