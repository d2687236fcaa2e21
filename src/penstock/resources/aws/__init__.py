"""The provider `aws`: an Ec2Resource is an instance of EC2, an EmrCluster a cluster of EMR."""
