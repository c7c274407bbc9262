require ["include", "fileinto"];
include :global "sends";
